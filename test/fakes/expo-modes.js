'use strict';

/*
 * The ways in which the fake Expo push service (expo.js) answers: those in which it
 * tells what the service decided, and those that it borrows from the fake peer.
 */

const peer = require('./modes.js');

const json = { 'content-type': 'application/json' };
const outage = [{ code: 'INTERNAL_SERVER_ERROR', message: 'An unknown error occurred.' }];
const haste = [{ code: 'TOO_MANY_REQUESTS', message: 'Exceeded 600 notifications per second, please try again.' }];

// One message to one recipient is answered with its ticket alone.
function tell(response, { status = 200, body, tickets, single })
{
	if (tickets === undefined)
		peer.reply(response, status, json, body);
	else if (single && tickets.length === 1)
		peer.reply(response, status, json, `{"data":${tickets[0]}}`);
	else
		peer.reply(response, status, json, `{"data":[${tickets.join(',')}]}`);
}

// A refusal has no tickets, and stays as it is.
function withTickets(outcome, change)
{
	return outcome.tickets ? { ...outcome, tickets: change(outcome.tickets) } : outcome;
}

// What is to be done later is not done if the client has left by then.
function delay(response, { ms = 100 }, outcome)
{
	const timer = setTimeout(tell, ms, response, outcome);
	response.on('close', () => clearTimeout(timer));
}

// The peer keeps the response, release finds in it what to tell.
function hold(response, step, outcome)
{
	response.outcome = outcome;
	peer.answer(step, response);
}

// "date+5" is the HTTP date in five seconds; all else is sent as it is.
function retryAfter(value)
{
	const [, seconds] = String(value).match(/^date([+-]\d+)$/) ?? [];
	return seconds === undefined ? String(value) : new Date(Date.now() + Number(seconds) * 1000).toUTCString();
}

// The peer's way, told by a step of the peer's.
function borrowed(translate)
{
	return (response, step) => peer.answer(translate(step), response);
}

// accepts: whether the service does its work although the client may never learn of it.
const modes = {
	ok: { accepts: true, answer: (response, step, outcome) => tell(response, outcome) },
	too_few: { accepts: true, onlySend: true, answer: (response, step, outcome) =>
		tell(response, withTickets(outcome, (tickets) => tickets.slice(0, -1))) },
	too_many: { accepts: true, onlySend: true, answer: (response, step, outcome) =>
		tell(response, withTickets(outcome, (tickets) => [...tickets, tickets.at(-1)])) },
	delay: { accepts: true, answer: delay },
	hold: { accepts: true, answer: hold },
	not_json: { accepts: true, answer: borrowed(() => ({ mode: 'wrong_json' })) },
	reset: { accepts: true, answer: borrowed((step) => step) },
	gateway_timeout: { accepts: true, answer: borrowed((step) => step) },
	html: { accepts: false, answer: borrowed((step) => step) },
	status: { accepts: false, answer: borrowed((step) => step) },
	errors_200: { accepts: false, answer: borrowed(({ errors = outage }) =>
		({ mode: 'status', status: 200, headers: json, body: { errors } })) },
	retry_after: { accepts: false, answer: borrowed(({ value, status = 429, errors = haste }) =>
		({ mode: 'status', status, headers: { ...json, 'retry-after': retryAfter(value) }, body: { errors } })) },
};

const isBoolean = (value) => typeof value === 'boolean';
const isDuration = (value) => Number.isFinite(value) && value >= 0;
const isAny = () => true;

const members = {
	mode: (value) => Object.hasOwn(modes, value),
	times: (value) => Number.isInteger(value) && value >= 0,
	endpoint: (value) => value === 'send' || value === 'receipts',
	accept: isBoolean,
	limit: (value) => value === null || isDuration(value),
	access_token: (value) => value === null || typeof value === 'string',
	record: isBoolean,
	latency: isBoolean,
	tally: isBoolean,
	ms: isDuration,
	after_ms: isDuration,
	value: isAny,
	status: (value) => Number.isInteger(value) && value >= 200 && value <= 599,
	body: isAny,
	headers: (value) => typeof value === 'object' && value !== null,
	errors: Array.isArray,
};

// What is not accepted, and yet to be told in full, is told as an outage.
const notAccepted = { status: 500, body: { errors: outage } };

// Whether the service is to do its work at all.
function accepts({ mode = 'ok', accept = modes[mode].accepts })
{
	return accept;
}

function answer(step, response, outcome)
{
	modes[step.mode ?? 'ok'].answer(response, step, outcome);
}

// Why a step cannot be taken; nothing if it can.
function refusal(step)
{
	if (typeof step !== 'object' || step === null)
		return 'a step is an object';
	for (const [name, value] of Object.entries(step))
	{
		if (!Object.hasOwn(members, name))
			return `a step has no "${name}"`;
		if (!members[name](value))
			return `"${name}" cannot be ${JSON.stringify(value)}`;
	}
	if (step.mode === 'retry_after' && step.value === undefined)
		return 'retry_after needs a "value"';
	if (step.endpoint === 'receipts' && modes[step.mode]?.onlySend)
		return `${step.mode} is about tickets`;
	return undefined;
}

module.exports = { accepts, answer, notAccepted, refusal, tell };
