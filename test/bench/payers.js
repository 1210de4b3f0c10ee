'use strict';

/*
 * Customers who pay by card at the fake gateway, for test/bench/payments.
 *
 *	node test/bench/payers.js --naps PORT --door PORT --dsn CONNINFO [--psql psql]
 *		[--payments 1000] [--payers 16] [--seed 1] pay | settle
 *
 * pay: so many bookings, each by a customer of its own, who begins the payment, pays or
 * does not, comes back, cancels, asks for a part of the money, or forges a callback.  A
 * call that meets a dead server is repeated with the same idempotency key.  Who pays late
 * is written to standard output as JSON, for settle.
 *
 * settle: reads that, lets the clock go on for ten days so that everything falls due, the
 * late ones pay meanwhile, and compares the books: lines "NAME NUMBER".
 */

const { parseArgs } = require('node:util');
const { Pool, literal } = require('../fakes/psql.js');

const { values: options, positionals: [act] } = parseArgs({
	allowPositionals: true,
	options: {
		naps: { type: 'string' },
		door: { type: 'string' },
		dsn: { type: 'string' },
		psql: { type: 'string', default: 'psql' },
		payments: { type: 'string', default: '1000' },
		payers: { type: 'string', default: '16' },
		seed: { type: 'string', default: '1' },
	},
});
const pool = new Pool({ psql: options.psql, dsn: options.dsn, pool: options.payers, name: 'payers' });

// Park and Miller's generator, so that a seed makes the same customers.
let state = Number(options.seed) * 7919 + 1;
function draw()
{
	state = state * 48271 % 2147483647;
	return state / 2147483647;
}

function pause(milliseconds)
{
	return new Promise((done) => setTimeout(done, milliseconds));
}

function askOnce(statement)
{
	return new Promise((done) => pool.ask(statement, done));
}

// Again for as long as the server is away, or could not take a lock.
async function ask(statement)
{
	for (;;)
	{
		const result = await askOnce(statement);
		if (/^(57P|08|40|PT503)/.test(result.code))
			await pause(50);
		else
			return result;
	}
}

async function value(statement)
{
	const { code, text } = await ask(statement);
	if (code !== '00000')
		throw new Error(`${code}: ${statement}`);
	return text;
}

async function control(method, path, body)
{
	const response = await fetch(`http://127.0.0.1:${options.naps}/control${path}`,
		{ method, body: body && JSON.stringify(body) });
	return response.json();
}

// The browser comes back; whether anybody is there does not matter.
async function comeBack(url)
{
	try
	{
		await fetch(url, { redirect: 'manual' });
	}
	catch
	{
		// the server was away
	}
}

// A link, by as many attempts as it takes; none where the order cannot be paid any more.
async function link(order, customer, payer)
{
	for (let number = 1; number < 50; number++)
	{
		const { code, text } = await ask(`SELECT payment_id FROM washminute.begin_payment(${literal(order)},
			${literal(customer)}, ${literal(`pay-${payer}-${number}`)})`);
		if (code !== '00000')
			return undefined;
		for (let looks = 0; looks < 20; looks++)
		{
			const waited = await ask(`SELECT washminute.wait_for_payment_link(${literal(text)}, '2 s')`);
			if (waited.code === '00000' && waited.text !== '')
				return { payment: text, url: waited.text };
			if (waited.code !== '00000')
				break;
		}
	}
	return undefined;
}

// The customer, who sees the URL that the browser comes back to, calls it the callback's.
async function forge(url, order)
{
	const token = /\/naps\/return\/([^?]+)/.exec(url ?? '')?.[1];
	if (token === undefined)
		return;
	try
	{
		const response = await fetch(`http://127.0.0.1:${options.door}/naps/cb/${token}`, {
			method: 'POST',
			headers: { 'content-type': 'application/x-www-form-urlencoded' },
			body: `idcommande=${order}&repauto=00&montant=60.00&numAuto=1&numTrans=1&signature=0`,
		});
		if ((await response.text()).includes('GATESUCCESS'))
			forged++;
	}
	catch
	{
		// the server was away
	}
}

let forged = 0;
const late = [];

async function pay(payer)
{
	const customer = `payer${payer}`;
	const [order, request] = (await value(`SELECT order_id || ' ' || request_id FROM washminute.create_booking(
		${literal(customer)}, '{exterior}', -7.62, 33.59, 'here', 'card', idempotency_key => ${literal(`book-${payer}`)})`)).split(' ');
	const what = draw();
	const then = draw();
	const page = await link(order, customer, payer);
	if (page === undefined)
		return;
	if (what > 0.95)
	{
		late.push(page.url);
		return;
	}
	const outcome = what < 0.8 ? 'approve' : what < 0.86 ? 'decline' : what < 0.9 ? 'abandon' :
		what < 0.93 ? 'challenge_failed' : 'switch_timeout';
	const { redirect, orderid } = await control('POST', '/pay', { url: page.url, outcome });
	if (redirect)
		await comeBack(redirect);
	if (then < 0.1)
		await forge(redirect, orderid);
	if (outcome === 'decline' || outcome === 'challenge_failed')
	{
		const again = await link(order, customer, `${payer}-again`);
		if (again !== undefined && again.url !== page.url)
			await control('POST', '/pay', { url: again.url, outcome: 'approve' });
	}
	if (then > 0.7)
		await ask(`SELECT washminute.cancel_request(${literal(request)}, ${literal(customer)})`);
	else if (then > 0.6)
		for (let twice = 0; twice < 2; twice++)
			await ask(`SELECT washminute.request_refund(${literal(page.payment)}, 10.00, 'sorry', 'refund')`);
}

async function payAll()
{
	let next = 0;
	const total = Number(options.payments);
	const payers = Array.from({ length: Number(options.payers) }, async () =>
	{
		while (next < total)
		{
			const payer = ++next;
			await pay(payer).catch((error) => console.error(error.message));
		}
	});
	await Promise.all(payers);
	console.log(JSON.stringify({ late, forged }));
}

// What waits for its time is made due, and done.
async function doDue()
{
	await ask('SELECT washminute.expire_due()');
	await ask(`UPDATE washminute_data.outbox SET due_at = NULL, xid = pg_current_xact_id()
		WHERE lane = 'payment' AND state = 'queued' AND due_at > clock_timestamp()`);
	await ask('UPDATE washminute_data.lanes SET paused = false WHERE lane = \'payment\'');
	for (let looks = 0; looks < 600; looks++)
	{
		const left = await value(`SELECT count(*) FROM washminute_data.outbox WHERE lane = 'payment' AND state <> 'dead'
			AND (state = 'inflight' OR due_at IS NULL OR due_at <= clock_timestamp())`);
		if (left === '0')
			return;
		await pause(50);
	}
}

function centimes(text)
{
	return Math.round(Number(text) * 100);
}

// What we say of each payment, with the gateway's book of each of its attempts.
async function payments(books)
{
	const rows = JSON.parse(await value(`SELECT json_agg(json_build_object('id', p.payment_id, 'amount', p.amount,
		'status', p.status, 'paid', o.payment_verified, 'captured', p.captured, 'exceptions', (SELECT count(*) FROM washminute_data.payment_exceptions AS x
			WHERE x.payment_id = p.payment_id AND x.resolved_at IS NULL),
		'attempts', (SELECT json_agg(json_build_object('orderid', a.gateway_order_id, 'status', a.status))
			FROM washminute_data.payment_attempts AS a WHERE a.payment_id = p.payment_id),
		'refunds', (SELECT json_agg(json_build_object('amount', f.amount, 'status', f.status,
			'unheard', f.status = 'unknown' AND NOT EXISTS (SELECT FROM washminute_data.payment_observations AS s
				WHERE s.attempt_id = f.attempt_id AND s.source = f.method AND s.at >= f.dispatched_at)))
			FROM washminute_data.refunds AS f WHERE f.payment_id = p.payment_id)))
		FROM washminute_data.payments AS p JOIN washminute_data.orders AS o USING (order_id)`));
	return rows.map((row) => ({ ...row, books: row.attempts.map(({ orderid }) => books.get(orderid)).filter(Boolean) }));
}

function sum(list, name)
{
	return list.reduce((total, item) => total + centimes(item[name]), 0);
}

function judge({ amount, paid, captured, exceptions, attempts, refunds, books })
{
	const net = sum(books, 'net');
	const gone = (refunds ?? []).filter(({ status }) => ['accepted', 'reversed', 'settled'].includes(status));
	const kept = centimes(captured) - sum(gone, 'amount');
	const open = attempts.some(({ status }) => ['prepared', 'dispatched', 'awaiting', 'unknown', 'integrity'].includes(status)) ||
		(refunds ?? []).some(({ status }) => ['requested', 'dispatched', 'unknown', 'failed'].includes(status));
	return {
		withheld: books.some(({ truthWithheld }) => truthWithheld),
		unheard: (refunds ?? []).some((refund) => refund.unheard),
		double_charge: net > centimes(amount),
		double_refund: net < 0 || sum(books, 'refunded') + sum(books, 'reversed') > sum(books, 'charged'),
		lost: net > 0 && !paid && exceptions === 0,
		wrong_amount: paid && books.some((book) => centimes(book.charged) !== centimes(amount) * book.charges),
		unresolved: open || net !== kept || kept > centimes(amount),
	};
}

async function settle(input)
{
	const { late: links, forged: forgeries } = JSON.parse(input);
	const steps = [...Array(3).fill(20 * 60), ...Array(12).fill(3600), ...Array(8).fill(6 * 3600), ...Array(9).fill(24 * 3600)];
	const begin = await value('SELECT clock_timestamp()');
	let at = 0;
	for (const [number, step] of steps.entries())
	{
		at += step;
		await ask(`SELECT washminute.set_clock(timestamptz '${begin}' + interval '${at} s', 1)`);
		await doDue();
		if (number === 1)
			for (const url of links)
				await control('POST', '/pay', { url, outcome: 'approve' });
		if (number === 2)
			await control('POST', '/capture', { all: true });
	}
	const books = new Map((await control('GET', '/books')).map((book) => [book.orderid, book]));
	const judged = (await payments(books)).map((payment) => ({ payment, ...judge(payment) }));
	const gateway = await control('GET', '');
	const count = (name, of = judged) => of.filter((item) => item[name]).length;
	// unheard: the gateway's answer came, and the worker that it came to was killed before it was kept
	const told = judged.filter(({ withheld, unheard }) => !withheld && !unheard);
	const lines = {
		payments: judged.length,
		charges: gateway.charges,
		truth_withheld: count('withheld'),
		answers_killed: judged.filter(({ withheld, unheard }) => unheard && !withheld).length,
		double_charges: count('double_charge', told),
		double_charges_of_withheld: count('double_charge') - count('double_charge', told),
		double_refunds: count('double_refund'),
		lost_payments: count('lost'),
		wrong_amount_accepted: count('wrong_amount'),
		forged_accepted: forgeries,
		unresolved: count('unresolved'),
		unresolved_not_withheld: count('unresolved', told),
		submitted_twice: gateway.broken,
		mac_mismatches: gateway.macMismatches,
	};
	for (const [name, number] of Object.entries(lines))
		console.log(`${name} ${number}`);
	for (const item of judged.filter((one) => one.double_charge || one.double_refund || one.lost || one.unresolved && !one.withheld).slice(0, 20))
		console.error(JSON.stringify(item));
	process.exit(0);
}

if (act === 'pay')
	payAll().then(() => process.exit(0));
else
{
	const chunks = [];
	process.stdin.on('data', (chunk) => chunks.push(chunk));
	process.stdin.on('end', () => settle(Buffer.concat(chunks).toString()));
}
