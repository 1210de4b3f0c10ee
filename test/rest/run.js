'use strict';

/*
 * Sends the requests of this folder to PostgREST, or to what stands for it, and prints how each
 * was answered, in the Test Anything Protocol.
 *
 *	node test/rest/run.js --url http://127.0.0.1:PORT --secret JWT-SECRET --dsn CONNINFO
 *		[--psql psql] [--naps http://127.0.0.1:PORT] [--name TEXT] [matrix] [FILE.json ...]
 *
 * CONNINFO is that of a superuser, who makes what the requests work on.  "matrix" is matrix.txt:
 * every function and view as every role.  The files are scenes: requests one after the other, each with
 *
 *	name        what it shows
 *	as          who asks: one of the scene's "people", whose claims the token has, and of "claims" what
 *	            is another one; nobody without
 *	request     "POST /rpc/create_booking"
 *	headers, body    of the request; a body that is a text is sent as text/plain
 *	status      of the answer
 *	code        the machine code of the error (DETAIL up to the first blank)
 *	answer      what the body holds: objects may have more members, arrays are compared by element;
 *	            "~..." is a regular expression
 *	answered    headers of the answer
 *	until       true asks again until the answer is right
 *	keep        { NAME: PATH } keeps a part of the body ("0.request_id", "" is all), or a header ("header etag")
 *	sql         instead of a request: a query of the superuser's, whose JSON object is kept, and compared with
 *	            the answer where the step has a name
 *	pay         instead of a request: the customer pays at that link
 *
 * {NAME} in any text is what was kept, {unique} is never the same.
 */

const fs = require('node:fs');
const path = require('node:path');
const crypto = require('node:crypto');
const { spawnSync } = require('node:child_process');
const { parseArgs } = require('node:util');
const { Pool, literal } = require('../fakes/psql.js');

const columns = ['anon', 'customer', 'washman', 'admin', 'service', 'other customer', 'other washman', 'unknown customer'];
const claims = [undefined, { sub: 'amina', role: 'washminute_customer' }, { sub: 'w1', role: 'washminute_washman' },
	{ sub: 'zineb', role: 'washminute_admin' }, { role: 'washminute_service' }, { sub: 'karim', role: 'washminute_customer' },
	{ sub: 'w9', role: 'washminute_washman' }, { sub: 'ghost', role: 'washminute_customer' }];

let number = 0;
let failed = 0;
let unique = 0;

function ok(good, name, why)
{
	number++;
	failed += good ? 0 : 1;
	console.log(`${good ? 'ok' : 'not ok'} ${number} - ${name.replaceAll('#', ' ')}`);
	if (!good)
		console.log(`# ${String(why).replaceAll('\n', '\n# ')}`);
}

function token(person, secret)
{
	const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
	const claims = { iss: 'rest', client_id: 'app', token_use: 'access', exp: Math.floor(Date.now() / 1000) + 3600, ...person };
	const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
	return `${signed}.${crypto.createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

// {NAME} in all texts of a value.
function fill(value, kept)
{
	if (typeof value === 'string')
		return value.replace(/\{(\w+)\}/g, (whole, name) => name === 'unique' ? `${process.pid}-${++unique}` : kept[name] ?? whole);
	if (Array.isArray(value))
		return value.map((item) => fill(item, kept));
	if (value !== null && typeof value === 'object')
		return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fill(item, kept)]));
	return value;
}

async function ask(options, step)
{
	const [method, target] = step.request.split(' ');
	const headers = { ...step.headers };
	if (step.person !== undefined)
		headers.Authorization = `Bearer ${token(step.person, options.secret)}`;
	if (step.body !== undefined)
		headers['Content-Type'] ??= typeof step.body === 'string' ? 'text/plain' : 'application/json';
	const response = await fetch(options.url + target, { method, headers, redirect: 'manual',
		body: step.body === undefined || typeof step.body === 'string' ? step.body : JSON.stringify(step.body) });
	const text = await response.text();
	let body = text;
	try
	{
		body = JSON.parse(text);
	}
	catch
	{
		// text it is
	}
	return { status: response.status, headers: response.headers, text, body };
}

const codeOf = ({ body }) => typeof body?.details === 'string' ? body.details.split(' ')[0] : body?.code;

// A query's JSON, of the superuser's.
function query(pool, sql)
{
	return new Promise((resolve, reject) => pool.ask(sql, ({ code, text }) =>
		code === '00000' ? resolve(text === '' ? {} : JSON.parse(text)) : reject(new Error(`${code} in ${sql}`))));
}

/* The matrix. */

function readMatrix()
{
	const kinds = { function: [], view: [] };
	let kind;
	for (const line of fs.readFileSync(path.join(__dirname, 'matrix.txt'), 'utf8').split('\n'))
	{
		const [, heading] = line.match(/^# (function|view) \|/) ?? [];
		if (heading !== undefined)
			kind = heading;
		if (line === '' || line.startsWith('#'))
			continue;
		const [name, before, request, ...expected] = line.split('|').map((cell) => cell.trim());
		if (expected.length !== columns.length)
			throw new Error(`matrix.txt: ${name} has ${expected.length} answers`);
		kinds[kind].push({ kind, name, before, request, expected });
	}
	return kinds;
}

function stepOf(row, kept)
{
	const [, method, rest] = row.request.match(/^(\w+) ?([^]*)$/);
	const target = row.kind === 'function' ? `/rpc/${row.name}` : `/${row.name}`;
	const step = { request: `${method} ${target}`, headers: row.name.startsWith('naps_') ? { 'X-Callback-Token': 'x' } : {} };
	if (rest.startsWith('?'))
		step.request += fill(rest, kept);
	else if (rest.startsWith('accept:'))
		step.headers.Accept = rest.slice('accept:'.length);
	else if (rest.startsWith('text:'))
		step.body = rest.slice('text:'.length);
	else if (rest !== '')
		step.body = fill(JSON.parse(rest), kept);
	return step;
}

// What the matrix calls an answer.
function named(answer, column)
{
	if (answer.status >= 400)
		return answer.body?.code === '42501' && answer.status === (column === 0 ? 401 : 403) ? '-' : codeOf(answer);
	return answer.status + (answer.status === 200 && Array.isArray(answer.body) ? answer.body.length > 0 ? '+' : '-' : '');
}

async function cell(options, pool, row, column)
{
	const kept = await query(pool, `SELECT rest_test.make(${literal(row.before)})`);
	const answer = await ask(options, { ...stepOf(row, kept), person: claims[column] });
	const got = named(answer, column);
	const expected = row.expected[column];
	ok(got === expected || /^2\d\d$/.test(expected) && got.slice(0, 3) === expected, `${row.kind} ${row.name} as ${columns[column]}: ${expected}`,
		`got ${got}: ${answer.status} ${answer.text.slice(0, 500)}`);
}

// What stands in the catalogue and what in the matrix is the same.
function isComplete(rows, kind, names)
{
	const missing = names.filter((name) => !rows.some((row) => row.name === name));
	const former = rows.map(({ name }) => name).filter((name) => !names.includes(name));
	ok(missing.length === 0 && former.length === 0, `matrix.txt has a row for every ${kind}`, `missing: ${missing}; not there any more: ${former}`);
}

// Whose token says that he is an administrator, and whom the table of users does not call so, reads nothing.
async function pretends(options, pool, rows)
{
	await query(pool, `SELECT rest_test.make('accepted')`);
	for (const { name, expected } of rows)
	{
		const answer = await ask(options, { request: `GET /${name}`, person: { sub: 'karim', role: 'washminute_admin' } });
		const wanted = expected[3] === '-' ? '-' : name === 'services' ? '200+' : '200-';
		ok(named(answer, 3) === wanted, `view ${name} as one who pretends to be an administrator: ${wanted}`, `${answer.status} ${answer.text.slice(0, 300)}`);
	}
}

// Nothing can be written but by functions, and nothing behind the API be named at all.
async function nothingElse(options, rows, behind)
{
	for (const { name } of rows)
		for (let column = 0; column < columns.length; column++)
			for (const method of ['POST', 'PATCH', 'DELETE'])
			{
				const answer = await ask(options, { request: `${method} /${name}`, person: claims[column],
					body: method === 'DELETE' ? undefined : { [{ services: 'price', me: 'name' }[name] ?? 'status']: 1 } });
				if (answer.status < 400)
					ok(false, `${method} of view ${name} as ${columns[column]}`, `${answer.status} ${answer.text}`);
			}
	ok(true, `no view can be written, by ${columns.length} kinds of callers`);
	for (const column of [0, 1, 3])
		for (const target of behind)
			for (const headers of [{}, { 'Accept-Profile': target.schema, 'Content-Profile': target.schema }])
			{
				const answer = await ask(options, { request: `${target.call ? 'POST /rpc/' : 'GET /'}${target.name}`, headers, person: claims[column],
					body: target.call ? {} : undefined });
				if (answer.status !== 404 && answer.status !== 406)
					ok(false, `${target.schema}.${target.name} as ${columns[column]}`, `${answer.status} ${answer.text}`);
			}
	ok(true, `none of ${behind.length} tables and functions behind the API can be named`);
}

async function matrix(options, pool)
{
	const rows = readMatrix();
	const names = await query(pool, `SELECT json_build_object(
	  'function', (SELECT json_agg(proname ORDER BY proname) FROM pg_proc WHERE pronamespace = 'washminute_api'::regnamespace),
	  'view', (SELECT json_agg(relname ORDER BY relname) FROM pg_class WHERE relnamespace = 'washminute_api'::regnamespace AND relkind IN ('r', 'v', 'm', 'f', 'p')),
	  'behind', (SELECT json_agg(b) FROM (
	     SELECT n.nspname AS schema, c.relname AS name, false AS call FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
	      WHERE n.nspname IN ('washminute', 'washminute_data') AND c.relkind IN ('r', 'v')
	        AND NOT EXISTS (SELECT FROM pg_class AS o WHERE o.relname = c.relname AND o.relnamespace = 'washminute_api'::regnamespace)
	     UNION ALL
	     SELECT n.nspname, p.proname, true FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
	      WHERE n.nspname IN ('washminute', 'washminute_data')
	        AND NOT EXISTS (SELECT FROM pg_proc AS o WHERE o.proname = p.proname AND o.pronamespace = 'washminute_api'::regnamespace)) AS b))`);
	for (const kind of ['function', 'view'])
	{
		isComplete(rows[kind], kind, names[kind]);
		for (const row of rows[kind])
			for (let column = 0; column < columns.length; column++)
				await cell(options, pool, row, column);
		console.log(`# ${options.name}: ${rows[kind].length} ${kind}s x ${columns.length} callers covered, of ${names[kind].length} ${kind}s`);
	}
	await pretends(options, pool, rows.view);
	await nothingElse(options, rows.view, names.behind);
}

/* Scenes. */

function holds(got, wanted)
{
	if (Array.isArray(wanted))
		return Array.isArray(got) && got.length === wanted.length && wanted.every((item, i) => holds(got[i], item));
	if (wanted !== null && typeof wanted === 'object')
		return got !== null && typeof got === 'object' && Object.entries(wanted).every(([name, item]) => holds(got[name], item));
	if (typeof wanted === 'string' && wanted.startsWith('~'))
		return new RegExp(wanted.slice(1)).test(typeof got === 'string' ? got : JSON.stringify(got));
	return got === wanted;
}

function keep(step, answer, kept)
{
	for (const [name, where] of Object.entries(step.keep ?? {}))
		kept[name] = where === '' ? answer.body : where.startsWith('header ') ? answer.headers.get(where.slice('header '.length)) :
			where.split('.').reduce((value, key) => value?.[key], answer.body);
}

async function play(options, pool, file)
{
	const scene = JSON.parse(fs.readFileSync(path.join(__dirname, file), 'utf8'));
	const kept = {};
	await query(pool, 'SELECT rest_test.clear()');
	for (const raw of scene.steps)
	{
		const step = fill(raw, kept);
		if (step.sql !== undefined)
		{
			const got = await query(pool, step.sql);
			Object.assign(kept, got);
			if (step.name !== undefined)
				ok(holds(got, step.answer), `${file}: ${step.name}`, JSON.stringify(got));
			continue;
		}
		if (step.pay !== undefined)
		{
			await fetch(`${options.naps}/control/pay`, { method: 'POST', body: JSON.stringify({ url: step.pay, outcome: 'approve' }) });
			continue;
		}
		const until = Date.now() + (step.until ? 120_000 : 0);
		let answer, good;
		do
		{
			answer = await ask(options, { ...step, person: step.as === undefined ? undefined : { ...fill(scene.people[step.as], kept), ...step.claims } });
			good = answer.status === step.status && (step.code === undefined || codeOf(answer) === step.code) &&
				(step.answer === undefined || holds(answer.body, step.answer)) &&
				Object.entries(step.answered ?? {}).every(([name, value]) => holds(answer.headers.get(name), value));
			if (!good && Date.now() < until)
				await new Promise((resolve) => setTimeout(resolve, 50));
		}
		while (!good && Date.now() < until);
		ok(good, `${file}: ${step.name}`, `${answer.status} ${answer.text.slice(0, 2000)}\n${JSON.stringify(Object.fromEntries(answer.headers))}`);
		keep(step, answer, kept);
	}
}

async function main()
{
	const { values: options, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			'url': { type: 'string' },
			'secret': { type: 'string' },
			'psql': { type: 'string', default: 'psql' },
			'dsn': { type: 'string', default: '' },
			'naps': { type: 'string' },
			'name': { type: 'string', default: 'rest' },
		},
	});
	const pool = new Pool({ psql: options.psql, dsn: options.dsn, pool: '1', name: 'rest' });
	await query(pool, 'SET default_transaction_isolation = \'serializable\'');
	const made = spawnSync(options.psql, ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', options.dsn, '-f', path.join(__dirname, 'fixtures.sql')], { encoding: 'utf8' });
	if (made.status !== 0)
		throw new Error(`fixtures.sql: ${made.stderr}`);
	for (const what of positionals)
		await (what === 'matrix' ? matrix(options, pool) : play(options, pool, what));
	console.log(`1..${number}`);
	process.exit(failed > 0 ? 1 : 0);
}

main();
