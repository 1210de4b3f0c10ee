'use strict';

/*
 * A fake NAPS (MXPlus): a card gateway that keeps accounts, with the traps of the real
 * one, and that misbehaves on demand.
 *
 *	node test/fakes/naps.js [--port 0] [--host 127.0.0.1] [--no-stdin]
 *
 * Prints "listening on PORT" when it does.  Ends on SIGTERM, and when its stdin
 * closes, so that it never outlives its test; --no-stdin leaves stdin alone.
 *
 * POST /napspayment/CALL is the service, see naps-gateway.js; GET /page/... and
 * GET /acs/... are where customers pay, see naps-page.js.  All else is told on the
 * same port, in JSON:
 *
 *	PUT /control            one object or an array of them.  Steps replace all scripts:
 *	                        {"call": "refund", "mode": "answer_lost", "times": 1}; one without "times" lasts for
 *	                        ever, after the last one faults are drawn again.  "call" can be "pay" or "settle" too;
 *	                        "mode": "ok" is no fault at all; "effect": true or false says whether what is not told
 *	                        was done; "ms" is for slow.  naps-faults.js has all modes, calls and options.
 *	                        Options last until changed or DELETE: "seed", "faults" ({"answer_lost": 0.1,
 *	                        "refund.slow": 1}, replaced whole), "callback_interval_ms", "strict_mac", ...
 *	                        Option "auto" has customers by themselves: of those to whom a link was given so many
 *	                        (shares, together 1) do what "outcome" of POST /control/pay can be, so many
 *	                        milliseconds afterwards, and come back to where they are sent: {"auto": {"approve": 0.9,
 *	                        "decline": 0.05, "abandon": 0.05, "after_ms": [20, 200]}}; null (default) for none
 *	GET /control            the counts
 *	GET /control/books      what became of each orderid, money as decimal text; /books/ORDERID has details
 *	GET /control/requests   what came while option "record" was on
 *	POST /control/pay       what a customer does on the page, see naps-page.js: {"orderid" or "url": ...,
 *	                        "outcome": "approve" (default), "decline", "abandon", "challenge_failed",
 *	                        "risk_refused" or "switch_timeout", "then": what follows a decline ("approve") or a
 *	                        switch timeout ("nothing", "approve", "reverse" or "silent"), "final": false for a
 *	                        decline after which the page stays open, "save", "card": a brand, "pan", "etat",
 *	                        "amount": another one is charged, "faults": [...] instead of drawn ones,
 *	                        "wait": false answers before the callbacks are done}
 *	POST /control/capture   {"orderid": ...} or {"all": true}: the gateway's own telecollecte
 *	POST /control/settle    likewise: paid out, and refunds cleared
 *	POST /control/reverse   {"orderid": ...}: somebody gives it back in the portal
 *	POST /control/statement {"date": "2026-11-28", "orderids": [...]}: what was settled, of those orders or of all, and on
 *	                        that day or its own, as {"content": the text of a statement}
 *	POST /control/release   answers what mode "hold" holds
 *	DELETE /control         forgets everything; what is held stays held
 */

const { parseArgs } = require('node:util');
const { calls, refusal, tell } = require('./naps-faults.js');
const { Gateway, decimal } = require('./naps-gateway.js');
const { Hook } = require('./hook.js');
const { Page, refusal: refusalOfPay } = require('./naps-page.js');
const { run } = require('./serve.js');

const gateway = new Gateway();
const page = new Page(gateway);
const hook = new Hook();
let counts = {};
let requests = [];

function readBody(request, done)
{
	const chunks = [];
	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () => done(Buffer.concat(chunks).toString()));
}

// Once, as both Node and a reset tell of the end.
function onResponseClose()
{
	this.off('close', onResponseClose);
	this.gone = true;
	this.req.hook.departed(this.writableFinished);
}

// The fault is drawn on arrival, since the next request may come before this one's body.
function receive(call, request, response)
{
	request.hook = hook;
	hook.arrived(request);
	const step = gateway.faults.next(call);
	request.on('error', () => {});
	response.on('error', () => {});
	response.on('close', onResponseClose);
	readBody(request, (text) => serve({ call, step, text, request, response }).catch((error) =>
	{
		console.error(error);
		response.destroy();
	}));
}

// What is held without effect is done on release.
async function serve(exchange)
{
	const { step, response } = exchange;
	conclude(exchange);
	if (step.effect)
		await perform(exchange);
	else if (step.mode === 'hold')
		response.postponed = () => perform(exchange);
	keep(exchange);
	if (!response.gone)
		gateway.faults.answer(step, response, exchange.outcome);
}

async function perform(exchange)
{
	const { call, step, text, request, response } = exchange;
	const base = `http://${request.headers.host ?? 'localhost'}`;
	const outcome = await gateway.perform(call, text, request.headers, { mode: step.mode, base });
	const code = outcome.body.statuscode ?? outcome.body.error_code;
	const count = countOf(call);
	count.codes[code] = (count.codes[code] ?? 0) + 1;
	exchange.outcome = outcome;
	response.outcome = outcome;
}

function countOf(call)
{
	return counts[call] ??= { requests: 0, codes: {} };
}

// All that came is counted, and kept if it is to be.
function keep({ call, step, text, request: { headers }, outcome })
{
	countOf(call).requests++;
	if (!gateway.options.record)
		return;
	const body = gateway.read(text) ?? text;
	requests.push({ call, at: Date.now(), mode: step.mode, headers, body, answer: outcome?.body ?? null });
}

// Whether the client learns of it is known in the end: it can have left before.
function conclude(exchange)
{
	const { call, step, text, response } = exchange;
	const end = () =>
	{
		response.off('close', end);
		if (step.truthful && exchange.outcome !== undefined && response.writableFinished)
			gateway.told(exchange.outcome);
		else
			gateway.lost(call, gateway.read(text), exchange.outcome);
	};
	response.on('close', end);
}

// All answers of the control interface are JSON.
function report(response, status, body)
{
	tell(response, { status, body });
}

function summary()
{
	return {
		requests: hook.requests,
		answered: hook.answered,
		open: hook.open,
		held: hook.held.size,
		connections: hook.connections,
		calls: counts,
		...gateway.summary(),
		...page.summary(),
	};
}

// The body as JSON, or a refusal.
function parsed(response, body, action)
{
	let value;
	try
	{
		value = JSON.parse(body);
	}
	catch (error)
	{
		report(response, 400, { error: error.message });
		return;
	}
	action(value);
}

// A script with a mistake in it is refused whole, or a test would pass for the wrong reason.
function setScript(response, body)
{
	parsed(response, body, (value) =>
	{
		const steps = [].concat(value);
		const error = steps.map(refusal).find(Boolean);
		if (error)
		{
			report(response, 400, { error });
			return;
		}
		gateway.faults.set(steps);
		report(response, 200, summary());
	});
}

function pay(response, body)
{
	parsed(response, body, (act) =>
	{
		const error = refusalOfPay(act);
		const started = error ? undefined : page.pay(act);
		if (started === undefined)
		{
			report(response, error ? 400 : 404, { error: error ?? 'there is no such page' });
			return;
		}
		const end = () => report(response, 200, started.result);
		const fail = (failure) =>
		{
			console.error(failure);
			report(response, 500, { error: failure.message });
		};
		if (act.wait === false)
		{
			started.done.catch((failure) => console.error(failure));
			end();
		}
		else
			started.done.then(end, fail);
	});
}

// The end of the day, for one order or for all.
function atEndOfDay(action)
{
	return (response, body) => parsed(response, body, (value) =>
	{
		if (typeof value?.orderid === 'string' || value?.all === true)
			report(response, 200, action(value.orderid));
		else
			report(response, 400, { error: 'an "orderid", or "all": true' });
	});
}

// The held are taken out first, as answering them changes the set.
async function release(response)
{
	const held = [...hook.held];
	hook.held.clear();
	for (const one of held)
	{
		await one.postponed?.();
		tell(one, one.outcome);
	}
	report(response, 200, { released: held.length });
}

function forget(response)
{
	gateway.forget();
	page.forget();
	hook.forget();
	counts = {};
	requests = [];
	report(response, 200, {});
}

function tellBook(response, orderid)
{
	const order = gateway.books.find(orderid);
	if (order)
		report(response, 200, order.detail());
	else
		report(response, 404, { error: `there is no order ${orderid}` });
}

const controls = {
	'GET /control': (response) => report(response, 200, summary()),
	'PUT /control': setScript,
	'DELETE /control': forget,
	'GET /control/books': (response) => report(response, 200, gateway.books.rows()),
	'GET /control/requests': (response) => report(response, 200, requests),
	'POST /control/pay': pay,
	'POST /control/capture': atEndOfDay((orderid) => ({ captured: gateway.captureDay(orderid) })),
	'POST /control/settle': atEndOfDay((orderid) => gateway.settleDay(orderid)),
	'POST /control/reverse': atEndOfDay((orderid) => ({ reversed: gateway.books.reverseByHand(orderid) })),
	'POST /control/statement': (response, body) => parsed(response, body, (value) => report(response, 200, { content: gateway.books.statement(value) })),
	'POST /control/release': release,
};

function control(request, response)
{
	const [path] = request.url.split('?');
	const action = controls[`${request.method} ${path}`];
	const [, orderid] = request.method === 'GET' ? path.match(/^\/control\/books\/(.+)$/) ?? [] : [];
	readBody(request, (body) =>
	{
		if (action)
			action(response, body);
		else if (orderid !== undefined)
			tellBook(response, decodeURIComponent(orderid));
		else
			report(response, 404, { error: `there is no ${request.method} ${request.url}` });
	});
}

// Not much of a page: who pays says so by POST /control/pay.
function show(request, response)
{
	const demand = page.look(request.url);
	request.resume();
	response.writeHead(demand ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
	const text = demand ? page.obstacle(demand) ?? `payable: ${decimal(demand.amount)} MAD` : 'not found';
	response.end(`<!DOCTYPE html>\n<title>NAPS</title>\n<p>${text}</p>\n`);
}

function handle(request, response)
{
	const [, call] = request.url.match(/^\/napspayment\/(\w+)$/) ?? [];
	if (calls.includes(call) && request.method === 'POST')
		receive(call, request, response);
	else if (request.method === 'GET' && /^\/(page|acs)\//.test(request.url))
		show(request, response);
	else
		control(request, response);
}

function main()
{
	const { values: options } = parseArgs({
		options: {
			'port': { type: 'string', default: '0' },
			'host': { type: 'string', default: '127.0.0.1' },
			'no-stdin': { type: 'boolean', default: false },
		},
	});
	run(handle, options);
}

main();
