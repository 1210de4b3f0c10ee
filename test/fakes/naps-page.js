'use strict';

/*
 * The hosted page of the fake NAPS (naps.js): what customers do there, the callback to
 * the merchant and what follows from its answer.
 */

const { randomBytes } = require('node:crypto');
const http = require('node:http');
const https = require('node:https');
const { setTimeout: sleep } = require('node:timers/promises');
const { centimes, decimal, isPan, masked, md5, pans } = require('./naps-gateway.js');
const { knows, outcomes } = require('./naps-faults.js');

const tries = 3;
const brands = [/^4/, /^(5[1-7]|2[2-7])/, /^3[47]/, /^3(0[0-5]|[689])/, /^6(011|5)/, /^35/];
const etats = {
	abandon: ['P_ABDNEE_CLC_ANNULER', 'TimeOut', 'CL_TOUCH_SCROL_PAGE'],
	challenge_failed: ['AUTH_ACS_FAILED', 'RETOUR_ACS_NON_AUTH', 'MPI_ERROR'],
	risk_refused: ['REJET_RISK_CTRL'],
};
const afterTimeout = ['nothing', 'approve', 'reverse', 'silent'];

const isBoolean = (value) => typeof value === 'boolean';
const isText = (value) => typeof value === 'string';

const members = {
	orderid: isText,
	url: isText,
	outcome: (value) => outcomes.includes(value),
	then: (value) => afterTimeout.includes(value),
	final: isBoolean,
	save: isBoolean,
	card: (value) => Object.hasOwn(pans, value),
	pan: isPan,
	etat: isText,
	amount: (value) => centimes(value) > 0,
	faults: (value) => Array.isArray(value) && value.every((mode) => knows('pay', mode) && mode !== 'ok'),
	wait: isBoolean,
};

// Why a customer cannot do that; nothing if one can.
function refusal(act)
{
	if (typeof act !== 'object' || act === null || Array.isArray(act))
		return 'a payment is an object';
	for (const [name, value] of Object.entries(act))
	{
		if (!Object.hasOwn(members, name))
			return `a payment has no "${name}"`;
		if (!members[name](value))
			return `"${name}" cannot be ${JSON.stringify(value)}`;
	}
	if (act.orderid === undefined && act.url === undefined)
		return 'a payment needs an "orderid" or a "url"';
	if (act.outcome === 'decline' && act.then !== undefined && act.then !== 'approve')
		return 'only "approve" follows a decline';
	return undefined;
}

// 1 Visa, 2 Mastercard, 3 Amex, 4 Diners, 5 Discover, 6 JCB, 0 any other.
function brandOf(pan)
{
	return String(brands.findIndex((brand) => brand.test(pan)) + 1);
}

// As Java's BigInteger prints it, one in sixteen is short.
function signatureOf(text)
{
	return BigInt(`0x${md5(text)}`).toString(16);
}

// The word is looked for in the body, whatever the status.
function wordIn(body)
{
	return ['GATESUCCESS', 'GATEFAILED'].find((word) => body.includes(word)) ?? null;
}

// The query string of the URL is dropped, and who is in it sent as Basic auth.
function post(url, { type, body }, timeout)
{
	const { protocol, hostname, port, pathname, username, password } = new URL(url);
	const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body) };
	const auth = username === '' && password === '' ? undefined
		: `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
	const options = {
		method: 'POST', hostname: hostname.replace(/^\[|\]$/g, ''), port, path: pathname, headers, auth, timeout,
		agent: false, rejectUnauthorized: false,
	};
	return new Promise((resolve) =>
	{
		const at = Date.now();
		const fail = (error) => resolve({ at, status: null, body: '', word: null, error });
		const request = (protocol === 'https:' ? https : http).request(options, (response) =>
		{
			const chunks = [];
			response.on('data', (chunk) => chunks.push(chunk));
			response.on('error', (error) => fail(error.message));
			response.on('end', () =>
			{
				const text = Buffer.concat(chunks).toString();
				resolve({ at, status: response.statusCode, body: text, word: wordIn(text) });
			});
		});
		request.on('timeout', () => request.destroy(new Error('timeout')));
		request.on('error', (error) => fail(error.message));
		request.end(body);
	});
}

// The browser is sent back to the merchant; whether anybody is there.
function comeBack(url)
{
	const get = url.startsWith('https:') ? https.get : http.get;
	return new Promise((resolve) =>
	{
		const request = get(url, { agent: false, rejectUnauthorized: false }, (response) =>
		{
			response.on('error', () => {});
			response.resume();
			resolve(true);
		});
		request.on('error', () => resolve(false));
	});
}

// Of outcomes with their shares, the one at that number from 0 to 1.
function pickShare(shares, number)
{
	let left = number;
	const [name] = Object.entries(shares).find(([, share]) => (left -= share) < 0) ??
		Object.entries(shares).findLast(([, share]) => share > 0);
	return name;
}

class Page
{
	constructor(gateway)
	{
		this.gateway = gateway;
		gateway.onLink = (demand) => this.goBy(demand);
		this.paying = 0;
		this.forget();
	}

	forget()
	{
		this.pays = 0;
		this.refused = 0;
		this.approved = 0;
		this.callbacks = { sent: 0, success: 0, failed: 0, noWord: 0, unreachable: 0, mixed: 0, lost: 0 };
		this.autoReversals = 0;
		this.autoReversalsFailed = 0;
		this.auto = { waiting: 0, outcomes: {}, returned: 0 };
	}

	// With the option "auto" the customer pays, or does not, and the browser goes where it is sent.
	goBy({ id })
	{
		const { chance, options: { auto } } = this.gateway;
		if (auto === null)
			return;
		const { after_ms: [least, most] = [0, 0], ...shares } = auto;
		const ms = least + (most - least) * chance.draw('auto after');
		const outcome = pickShare(shares, chance.draw('auto outcome'));
		const { auto: counts } = this;
		counts.waiting++;
		sleep(ms).then(async () =>
		{
			const started = this.pay({ url: `/page/${id}`, outcome });
			await started?.done;
			counts.outcomes[outcome] = (counts.outcomes[outcome] ?? 0) + 1;
			if (started?.result.redirect && await comeBack(started.result.redirect))
				counts.returned++;
		}).catch((error) => console.error(error)).finally(() => counts.waiting--);
	}

	// The demand of a payment: the one of that page, or the last one of that orderid.
	demandOf({ orderid, url })
	{
		const { demands, books } = this.gateway;
		if (url === undefined)
			return books.find(orderid)?.demand;
		return demands.get(url.match(/\/(?:page|acs)\/([0-9a-f]+)/)?.[1]);
	}

	// A look at the page is nothing yet; the demand, if there is one.
	look(url)
	{
		const demand = this.demandOf({ url });
		if (demand?.etat === 'INIT')
			demand.etat = 'P_CHRG_OK';
		return demand;
	}

	// The link never expires.  It is blocked once it is paid or declined for good.
	obstacle(demand)
	{
		if (demand.paid)
			return 'paid';
		if (demand.blocked)
			return 'blocked';
		if (demand.busy)
			return 'busy';
		return demand.url === undefined ? 'no page' : undefined;
	}

	// The result, which the books show too, and the promise that the customer is through; nothing if
	// there is no such demand.
	pay(act)
	{
		const demand = this.demandOf(act);
		if (demand === undefined)
			return undefined;
		this.pays++;
		const obstacle = this.obstacle(demand);
		const result = { orderid: demand.order.orderid, idDemande: demand.id, at: Date.now() };
		if (obstacle)
		{
			this.refused++;
			return { result: Object.assign(result, { refused: obstacle }), done: Promise.resolve() };
		}
		const struck = this.gateway.faults.all('pay', act.faults);
		Object.assign(result, {
			refused: null, outcome: null, redirect: null, charged: null, callbacks: [],
			reversed: false, reversalFailed: false, faults: [...struck], over: false,
		});
		demand.order.pays.push(result);
		demand.busy = true;
		this.paying++;
		const visit = { act, demand, result, struck, gateway: this.gateway };
		return { result, done: this.visit(visit) };
	}

	// What is late goes on after the customer has been sent away.
	async visit(visit)
	{
		const leave = () =>
		{
			visit.demand.busy = false;
			visit.result.over = true;
			this.paying--;
		};
		let late;
		try
		{
			late = await this.act(visit);
		}
		finally
		{
			if (late === undefined)
				leave();
			else
				late().finally(leave);
		}
	}

	// A function that does the rest, if something is late.
	async act(visit)
	{
		const { act, demand, result, struck } = visit;
		const { outcome = 'approve' } = act;
		const { echo_pan: usual } = this.gateway.options;
		visit.pan = act.pan ?? demand.pan ?? (act.card === undefined && usual !== null ? usual : pans[act.card ?? 'visa']);
		this.save(visit);
		if (outcome === 'switch_timeout' || (outcome === 'approve' && struck.has('sw_ko')))
			return this.timeOut(visit);
		if (Object.hasOwn(etats, outcome))
			return this.leave(visit, outcome);
		if (outcome === 'decline' && act.then === undefined)
			return this.decline(visit);
		if (outcome === 'decline' || struck.has('declined_then_approved'))
		{
			demand.order.refusals++;
			demand.etat = 'START_PAYMENT';
			await sleep(this.gateway.options.gap_ms);
		}
		result.outcome = 'approved';
		await this.approve(visit, struck.has('callback_before_page'));
		return undefined;
	}

	// Before the authorization, whatever comes of that; but a box there is only with a client.
	save(visit)
	{
		const { act, demand, gateway } = visit;
		const client = demand.client || gateway.cards.get(demand.token)?.client;
		visit.token = act.save && demand.kind === 'link' && client ? gateway.saveCard(client, visit.pan) : '';
	}

	// Without any authorization; the link can still be paid.
	leave({ act, demand, result, gateway }, outcome)
	{
		demand.etat = act.etat ?? gateway.chance.pick(`pay ${outcome}`, etats[outcome]);
		result.outcome = outcome;
		if (demand.etat !== 'TimeOut' && demand.etat !== 'CL_TOUCH_SCROL_PAGE')
			result.redirect = demand.failURL ?? null;
	}

	// One that is not final leaves the customer on the page, who may try another card.
	decline({ act, demand, result, struck })
	{
		const { order } = demand;
		result.outcome = 'declined';
		order.flaggedA ||= struck.has('declined_as_04');
		if (act.final === false || !struck.has('declined_without_row'))
			order.refusals++;
		if (act.final === false)
			return;
		demand.etat = 'SW_REJET';
		demand.blocked = true;
		result.redirect = demand.failURL ?? null;
	}

	// The customer is told that it failed, whatever the switch does later.
	timeOut(visit)
	{
		const { act, demand, result, struck, gateway } = visit;
		const then = act.then ?? (struck.has('sw_ko') ? 'approve' : gateway.chance.pick('pay late', afterTimeout));
		demand.etat = 'SW_KO';
		result.outcome = 'switch_timeout';
		result.then = then;
		result.redirect = demand.failURL ?? null;
		if (then === 'nothing')
		{
			demand.order.koForGood = true;
			return undefined;
		}
		return () => this.beLate(visit, then);
	}

	async beLate(visit, then)
	{
		const { demand, result, gateway } = visit;
		await sleep(gateway.options.late_ms);
		if (then === 'approve')
			return this.approve(visit, false);
		const charge = gateway.charge(demand, demand.amount);
		this.approved++;
		result.charged = decimal(charge.amount);
		result.numAuto = charge.authnumber;
		if (then === 'silent')
			return undefined;
		if (gateway.options.reverse_ms > 0)
			await sleep(gateway.options.reverse_ms);
		return this.reverse(visit, charge);
	}

	// The switch has approved: the books first, then the merchant, then the customer.
	async approve(visit, hidden)
	{
		const { act, demand, result, gateway } = visit;
		if (demand.kind === 'token')
			return this.succeed(visit, { token: gateway.saveCard(demand.client ?? '', visit.pan, true) });
		demand.etat = 'SND_TO_ACS';
		const charge = gateway.charge(demand, act.amount === undefined ? demand.amount : centimes(act.amount));
		this.approved++;
		charge.hidden = hidden;
		result.charged = decimal(charge.amount);
		result.numAuto = charge.authnumber;
		const success = await this.tellMerchant(visit, charge);
		charge.hidden = false;
		if (success)
			return this.succeed(visit, {});
		this.reverse(visit, charge);
		result.redirect = demand.failURL ?? null;
		return undefined;
	}

	// Base64 that is not encoded for URLs, of what only the merchant's key could read.  Too long an
	// orderid leaves no room for it.  Who has been sent away before is not sent again.
	succeed({ demand, result }, more)
	{
		const { successURL, merchantid, order } = demand;
		Object.assign(result, more);
		if (result.redirect !== null || successURL === undefined)
			return;
		const data = order.orderid?.length > 27 ? '' : randomBytes(256).toString('base64');
		result.redirect = `${successURL}${successURL.includes('?') ? '&' : '?'}data=${data}&codecmr=${merchantid}`;
	}

	// Also what was captured meanwhile cannot be reversed.
	reverse({ result, struck }, charge)
	{
		if (struck.has('reversal_fails') || charge.captured > 0)
		{
			this.autoReversalsFailed++;
			result.reversalFailed = true;
			return;
		}
		this.autoReversals++;
		charge.reversals.push(charge.left);
		result.reversed = true;
	}

	// Whether the sale stands.  An authorization without page has no callback.
	async tellMerchant(visit, charge)
	{
		const { demand, struck, gateway } = visit;
		if (!demand.callbackurl || demand.kind !== 'link')
			return true;
		if (struck.has('callback_lost'))
		{
			this.callbacks.lost++;
			return gateway.chance.below('pay callback_lost', 0.5);
		}
		const message = this.messageOf(visit, charge);
		for (let number = 1; number <= tries; number++)
		{
			const word = await this.callBack(visit, message, number);
			if (word)
			{
				demand.order.numberTold = demand.order.approvalTold = true;
				return word === 'GATESUCCESS';
			}
			if (number < tries)
				await sleep(gateway.options.callback_interval_ms);
		}
		return false;
	}

	messageOf({ demand, struck, pan, token, gateway }, charge)
	{
		const { cle_pub: key, callback_format: format } = gateway.options;
		const { orderid } = demand.order;
		const montant = decimal(charge.amount);
		const fields = {
			repauto: '00',
			montant,
			signature: signatureOf(`${orderid}00${key}${montant}`),
			numAuto: charge.authnumber,
			numTrans: charge.transactionid,
			idcommande: orderid,
			token,
			carte: masked(pan),
			typecarte: brandOf(pan),
		};
		if (struck.has('card_echoed'))
			Object.assign(fields, { carte: pan, cvv: gateway.options.echo_cvv, nomprenom: `H ${pan}` });
		if (format === 'json' || struck.has('callback_json'))
			return { type: 'application/json', body: JSON.stringify(fields) };
		return { type: 'application/x-www-form-urlencoded', body: new URLSearchParams(fields).toString() };
	}

	// The first word that comes counts.
	async callBack({ demand, result, struck, gateway }, message, number)
	{
		const words = new Set();
		const copy = async () =>
		{
			this.callbacks.sent++;
			const { callback_timeout_ms: timeout } = gateway.options;
			const answer = { try: number, ...await post(demand.callbackurl, message, timeout) };
			this.countAnswer(answer);
			result.callbacks.push({ ...answer, body: answer.body.slice(0, 1000) });
			if (answer.word)
				words.add(answer.word);
		};
		await Promise.all(Array.from({ length: struck.has('callback_thrice') ? 3 : 1 }, copy));
		if (words.size > 1)
			this.callbacks.mixed++;
		return [...words][0];
	}

	countAnswer({ status, word })
	{
		if (status === null)
			this.callbacks.unreachable++;
		else if (word === null)
			this.callbacks.noWord++;
		else
			this.callbacks[word === 'GATESUCCESS' ? 'success' : 'failed']++;
	}

	summary()
	{
		const { pays, paying, refused, approved, callbacks, autoReversals, autoReversalsFailed, auto } = this;
		return { pays, paying, paysRefused: refused, approved, callbacks, autoReversals, autoReversalsFailed, auto };
	}
}

module.exports = { Page, refusal };
