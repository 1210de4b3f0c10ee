'use strict';

/*
 * What the fake Expo push service (expo.js) knows and decides: which requests it
 * accepts, the tickets and the receipts it gives, and the counts.  Of a token's text
 *
 *	ExponentPushToken[PROJECT:REST]			belongs to @test/PROJECT, one without colon to @test/app
 *	ExponentPushToken[DeviceNotRegistered-x]	its ticket is that error
 *	ExponentPushToken[ticket-CODE-x]		its ticket is the error CODE
 *	ExponentPushToken[receipt-CODE-x]		its ticket is ok, its receipt the error CODE
 *	ExponentPushToken[late-N-x]			its receipt exists only N milliseconds after the sending; x may
 *							be receipt-CODE-y
 *	ExponentPushToken[never-x]			its receipt never exists
 *	ExponentPushToken[poison-x]			the whole request is not valid
 *
 * decides, where REST may be any of those below it.  What precedes the first dash in
 * the brackets is the token's group, which the tally goes by.
 */

const { randomBytes } = require('node:crypto');

const second = 1000;
const mostRecipients = 100;
const mostReceipts = 1000;
const mostBytes = 4096;

const mayBeSpecial = /[[:](?:late|never|poison|receipt|ticket|DeviceNotRegistered)-/;
const special = /^\w+\[(?:[^:\]]*:)?(?:late-(\d+)-)?(?:(never|poison|DeviceNotRegistered)-|(receipt|ticket)-([A-Za-z]+)-)?/;
const uuidShape = /^[a-z\d]{8}-[a-z\d]{4}-[a-z\d]{4}-[a-z\d]{4}-[a-z\d]{12}$/i;
const ordinary = {};

// The numbers that came within the second before the last one, and the greatest sum there was.
class Window
{
	constructor()
	{
		this.times = [];
		this.numbers = [];
		this.oldest = 0;
		this.sum = 0;
		this.greatest = 0;
	}

	// What is a second old has left the window.
	add(at, number)
	{
		this.times.push(at);
		this.numbers.push(number);
		this.sum += number;
		while (this.times[this.oldest] <= at - second)
			this.sum -= this.numbers[this.oldest++];
		this.greatest = Math.max(this.greatest, this.sum);
		this.shrink();
		return this.sum;
	}

	// Rarely, as it moves all that is left.
	shrink()
	{
		if (this.oldest < 10_000)
			return;
		this.times.splice(0, this.oldest);
		this.numbers.splice(0, this.oldest);
		this.oldest = 0;
	}
}

// Exactly what the official SDK takes for a token, even one with nothing in its brackets.
function isToken(token)
{
	if (typeof token !== 'string')
		return false;
	if (token.startsWith('ExponentPushToken[') || token.startsWith('ExpoPushToken['))
		return token.endsWith(']');
	return uuidShape.test(token);
}

// The project is what precedes the colon in the brackets.
function experienceOf(token)
{
	const colon = token.indexOf(':');
	return colon < 0 ? '@test/app' : `@test/${token.slice(token.indexOf('[') + 1, colon)}`;
}

// The group is what precedes the first dash in the brackets.
function groupOf(token)
{
	const from = token.indexOf('[') + 1;
	return token.slice(from, Math.max(from, token.indexOf('-', from)));
}

// The cheap test first, for nearly all tokens are ordinary.
function faultOf(token)
{
	if (!mayBeSpecial.test(token))
		return ordinary;
	const [, late, word, level, code] = token.match(special) ?? [];
	return {
		late: late === undefined ? 0 : Number(late),
		never: word === 'never',
		poison: word === 'poison',
		ticket: word === 'DeviceNotRegistered' ? word : level === 'ticket' ? code : undefined,
		receipt: level === 'receipt' ? code : undefined,
	};
}

// Each recipient gets a notification of its own, so the others do not count.
function isTooBig(message)
{
	const text = JSON.stringify(Array.isArray(message.to) ? { ...message, to: message.to[0] } : message);
	return text.length * 3 > mostBytes && Buffer.byteLength(text) > mostBytes;
}

// The shape of all refusals but that of a bad access token.
function refusal(status, code, message, details)
{
	return { status, body: { errors: [{ code, message, details }] } };
}

// Does not tell which recipient it was, for a client shall not rely on it.
function invalid(message)
{
	return refusal(400, 'VALIDATION_ERROR', message);
}

// An error of one recipient, as tickets and receipts tell it.
function recipientError(code, token)
{
	const message = code === 'DeviceNotRegistered'
		? `"${token}" is not a registered push notification recipient`
		: `The fake service was told to answer ${code}`;
	return { status: 'error', message, details: { error: code } };
}

// What is wrong with the recipients, be it with one of them or with all together.
function mistakeIn({ messages, recipients })
{
	if (messages.length === 0)
		return invalid('"value" must contain at least 1 items.');
	if (recipients.length > mostRecipients)
		return refusal(400, 'PUSH_TOO_MANY_NOTIFICATIONS',
			`You are trying to send more than ${mostRecipients} push notifications in one request.`);
	if (!messages.every((message) => message?.to?.length > 0))
		return invalid('"to" is required.');
	if (!recipients.every(({ token }) => isToken(token)))
		return invalid('"to" must be a valid Expo push token.');
	if (recipients.some(({ fault }) => fault.poison))
		return invalid('"value" does not match any of the allowed types.');
	return undefined;
}

// All recipients of one request must be of one project.
function mixtureIn(recipients)
{
	const experience = experienceOf(recipients[0].token);
	if (recipients.every(({ token }) => experienceOf(token) === experience))
		return undefined;
	const details = {};
	for (const { token } of recipients)
		(details[experienceOf(token)] ??= []).push(token);
	return refusal(400, 'PUSH_TOO_MANY_EXPERIENCE_IDS',
		'All push notification messages in the same request must be for the same project; ' +
		'check the details field to investigate conflicting tokens.', details);
}

// What is sent, one entry per recipient; what cannot be a message is found out later.
function readOrder(value)
{
	const messages = [].concat(value);
	const recipients = [];
	for (const message of messages)
	{
		for (const token of [].concat(message?.to))
			recipients.push({ token, message, fault: typeof token === 'string' ? faultOf(token) : ordinary });
	}
	return { messages, recipients, single: !Array.isArray(value) && !Array.isArray(value?.to) };
}

class Service
{
	constructor()
	{
		this.run = randomBytes(4).toString('hex');
		this.lastId = 0;
		this.forget();
	}

	// Ids go on, so that the tickets from before are unknown and not mistaken for new ones.
	forget()
	{
		this.firstId = this.lastId + 1;
		this.limit = null;
		this.accessToken = null;
		this.record = false;
		this.latency = false;
		this.tally = false;
		this.recipients = 0;
		this.accepted = 0;
		this.receiptsAsked = 0;
		this.distinct = 0;
		this.gzip = 0;
		this.connections = 0;
		this.sockets = new WeakSet();
		this.batches = new Map();
		this.arrivals = new Window();
		this.windows = new Map();
		this.seen = new Set();
		this.seenAgain = new Set();
		this.exceptions = new Map();
		this.messages = [];
		this.latencies = [];
		this.tallied = new Map();
	}

	// What a step says nothing of stays as it is.
	setOptions({ limit = this.limit, access_token: token = this.accessToken, record = this.record,
		latency = this.latency, tally = this.tally })
	{
		Object.assign(this, { limit, accessToken: token, record, latency, tally });
	}

	// Of any request of the push interface.
	arrived({ socket, headers })
	{
		if (!this.sockets.has(socket))
		{
			this.sockets.add(socket);
			this.connections++;
		}
		if (headers['content-encoding'] === 'gzip')
			this.gzip++;
	}

	// What is refused counts too.
	countOrder({ recipients: { length } }, at)
	{
		this.recipients += length;
		this.batches.set(length, (this.batches.get(length) ?? 0) + 1);
		this.arrivals.add(at, length);
	}

	countQuestion(question)
	{
		this.receiptsAsked += Array.isArray(question?.ids) ? question.ids.length : 0;
	}

	// The real service has another shape for this one error.
	unauthorized(authorization)
	{
		if (this.accessToken === null || authorization === `Bearer ${this.accessToken}`)
			return undefined;
		return { status: 401, body: { error: 'invalid_token', error_description: 'The bearer token is invalid' } };
	}

	// As documented, requests fail until the rate has fallen: the refused ones count too.
	tooFast(recipients, at)
	{
		const experience = experienceOf(recipients[0].token);
		if (!this.windows.has(experience))
			this.windows.set(experience, new Window());
		const rate = this.windows.get(experience).add(at, recipients.length);
		if (this.limit === null || rate <= this.limit)
			return undefined;
		return refusal(429, 'TOO_MANY_REQUESTS', `Exceeded ${this.limit} notifications per second, please try again.`);
	}

	// Answers are { status, body }, or { tickets, single } where the tickets are JSON already.
	send(order, authorization, at)
	{
		return this.unauthorized(authorization) ?? mistakeIn(order) ?? mixtureIn(order.recipients) ??
			this.tooFast(order.recipients, at) ?? this.accept(order, at);
	}

	accept({ messages, recipients, single }, at)
	{
		const tooBig = new Set(messages.filter(isTooBig));
		const tickets = recipients.map((recipient) => this.ticket(recipient, tooBig.has(recipient.message), at));
		if (this.record || this.latency)
			messages.forEach((message) => this.keep(message, at));
		return { tickets, single };
	}

	// Only what is accepted can be doubled.
	ticket({ token, message, fault }, tooBig, at)
	{
		if (fault.ticket !== undefined)
		{
			const error = recipientError(fault.ticket, token);
			if (fault.ticket === 'DeviceNotRegistered')
				error.details.expoPushToken = token;
			return JSON.stringify(error);
		}
		const number = ++this.lastId;
		this.accepted++;
		if (this.countPair(token, message.collapseId) && this.tally)
			this.countText(token, message);
		if (tooBig || fault !== ordinary)
		{
			const code = fault.receipt ?? (tooBig ? 'MessageTooBig' : undefined);
			this.exceptions.set(number, { token, code, from: fault.never ? Infinity : at + (fault.late ?? 0) });
		}
		return `{"status":"ok","id":"${this.idOf(number)}"}`;
	}

	// Whether it doubles no other; one without collapseId does not.
	countPair(token, collapseId)
	{
		const pair = `${collapseId} ${token}`;
		if (collapseId !== undefined && this.seen.has(pair))
		{
			this.seenAgain.add(pair);
			return false;
		}
		if (collapseId !== undefined)
			this.seen.add(pair);
		this.distinct++;
		return true;
	}

	countText(token, { title, data })
	{
		const text = JSON.stringify([groupOf(token), data?.event, title]);
		this.tallied.set(text, (this.tallied.get(text) ?? 0) + 1);
	}

	keep(message, at)
	{
		if (this.record)
			this.messages.push({ ...message, at });
		if (typeof message.data?.sentAt === 'number')
			this.latencies.push(at - message.data.sentAt);
	}

	// The run is in it, as the tickets of another run shall be unknown.
	idOf(number)
	{
		return `${this.run}-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
	}

	receipts(question, authorization, at)
	{
		const ids = question?.ids;
		const refused = this.unauthorized(authorization);
		if (refused)
			return refused;
		if (!Array.isArray(ids) || !ids.every((id) => typeof id === 'string'))
			return invalid('"ids" must be an array of strings.');
		if (ids.length > mostReceipts)
			return refusal(400, 'PUSH_TOO_MANY_RECEIPTS',
				`You are trying to get more than ${mostReceipts} push receipts in one request.`);
		const data = ids.map((id) => [id, this.receipt(id, at)]).filter(([, receipt]) => receipt !== undefined);
		return { status: 200, body: { data: Object.fromEntries(data) } };
	}

	// Receipts are not stored: what was given out and is no exception is ok.
	receipt(id, at)
	{
		const number = parseInt(id.slice(-12), 16);
		if (!(number >= this.firstId && number <= this.lastId) || this.idOf(number) !== id)
			return undefined;
		const { token, code, from } = this.exceptions.get(number) ?? ordinary;
		if (at < from)
			return undefined;
		return code === undefined ? { status: 'ok' } : recipientError(code, token);
	}

	// As they were sent, so "to" can be an array here.
	messagesTo(token)
	{
		return token === null ? this.messages : this.messages.filter(({ to }) => [].concat(to).includes(token));
	}

	tallies()
	{
		return [...this.tallied].map(([text, messages]) =>
		{
			const [group, event, title] = JSON.parse(text);
			return { group, event, title, messages };
		});
	}

	// accepted: recipients whose ticket was ok.  doubled: pairs of token and collapseId accepted more than once.
	summary()
	{
		return {
			recipients: this.recipients,
			accepted: this.accepted,
			distinct: this.distinct,
			doubled: this.seenAgain.size,
			peakPerSecond: this.arrivals.greatest,
			batches: Object.fromEntries(this.batches),
			receiptsAsked: this.receiptsAsked,
			gzip: this.gzip,
			connections: this.connections,
		};
	}
}

module.exports = { Service, invalid, readOrder, refusal };
