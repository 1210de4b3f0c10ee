'use strict';

/*
 * Stands for the reverse proxy and PostgREST in tests: what the gateway and browsers
 * call from outside becomes a call of washminute's.
 *
 *	node test/fakes/door.js --dsn CONNINFO [--psql psql] [--pool 8] [--basic USER:PASSWORD]
 *		[--port 0] [--host 127.0.0.1] [--no-stdin]
 *
 * Prints "listening on PORT" when it does.  Ends on SIGTERM, and when its stdin
 * closes; --no-stdin leaves stdin alone.
 *
 *	POST /naps/cb/TOKEN     washminute.payment_callback(token, body): 200 and its text.  With --basic, 401 to who
 *	                        does not have that user and password
 *	GET /naps/return/TOKEN  washminute.payment_return(token): 302 to the URL that it gives
 *	GET /control            the counts
 *	DELETE /control         forgets them
 *
 * An error with SQLSTATE PTxyz is answered with the status xyz, any other with 500, as
 * {"code": SQLSTATE}.  Persistent children psql ask the server; one that dies, as when
 * the server was killed, is an error 500, and is replaced when the next one is needed.
 */

const { isUtf8 } = require('node:buffer');
const { parseArgs } = require('node:util');
const { Pool, literal } = require('./psql.js');
const { run } = require('./serve.js');

const mostBytes = 1024 * 1024;

let counts = newCounts();
let open = 0;

// words: what callbacks were answered.
function newCounts()
{
	return { requests: 0, callbacks: 0, returns: 0, status: {}, codes: {}, words: {} };
}

function reply(response, status, headers, body)
{
	counts.status[status] = (counts.status[status] ?? 0) + 1;
	for (const [name, value] of Object.entries(headers))
		response.setHeader(name, value);
	response.statusCode = status;
	response.end(body);
}

function refuse(response, status, code)
{
	counts.codes[code] = (counts.codes[code] ?? 0) + 1;
	reply(response, status, { 'content-type': 'application/json' }, JSON.stringify({ code }));
}

// The answer of a function, which succeed gives to the client unless it is an error.
function tell(response, { code, text }, succeed)
{
	const [, status] = code.match(/^PT([2-5]\d\d)$/) ?? [];
	if (code === '00000')
		succeed(text);
	else
		refuse(response, Number(status ?? 500), code);
}

function callBack(pool, response, token, body)
{
	counts.callbacks++;
	pool.ask(`SELECT washminute.payment_callback(${literal(token)}, ${literal(body)})`, (result) =>
		tell(response, result, (text) =>
		{
			const word = /^GATE(SUCCESS|FAILED)$/.test(text) ? text : 'other';
			counts.words[word] = (counts.words[word] ?? 0) + 1;
			reply(response, 200, { 'content-type': 'text/plain; charset=utf-8' }, text);
		}));
}

// What cannot be in a header is no URL.
function comeBack(pool, response, token)
{
	counts.returns++;
	pool.ask(`SELECT washminute.payment_return(${literal(token)})`, (result) =>
		tell(response, result, (text) =>
		{
			if (/^[\x21-\x7e]+$/.test(text))
				reply(response, 302, { location: text }, '');
			else
				refuse(response, 500, 'no URL');
		}));
}

// Nothing if it is none that PostgreSQL could take.
function decoded(text)
{
	try
	{
		const token = decodeURIComponent(text);
		return token.includes('\0') ? undefined : token;
	}
	catch
	{
		return undefined;
	}
}

function control(pool, request, response)
{
	const known = request.url === '/control';
	if (known && request.method === 'DELETE')
	{
		counts = newCounts();
		pool.forget();
	}
	const body = JSON.stringify({ ...counts, open, ...pool.counts });
	response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
	response.end(known ? body : '{"code": "404"}');
}

// The whole body is read before anything is answered.
function receive(pool, options, request, response, body)
{
	const [path] = request.url.split('?');
	const [, word, rest] = path.match(/^\/naps\/(cb|return)\/(.+)$/) ?? [];
	const token = rest === undefined ? undefined : decoded(rest);
	const basic = `Basic ${Buffer.from(options.basic ?? '').toString('base64')}`;
	if (token === undefined)
		refuse(response, 404, 'no such path');
	else if (word === 'cb' && request.method !== 'POST' || word === 'return' && request.method !== 'GET')
		refuse(response, 405, 'no such method');
	else if (word === 'return')
		comeBack(pool, response, token);
	else if (options.basic !== undefined && request.headers.authorization !== basic)
		refuse(response, 401, 'no such user');
	else if (body.length > mostBytes || body.includes(0) || !isUtf8(body))
		refuse(response, 400, 'no such body');
	else
		callBack(pool, response, token, body.toString());
}

function handle(pool, options, request, response)
{
	if (!request.url.startsWith('/naps/'))
	{
		request.resume();
		control(pool, request, response);
		return;
	}
	const chunks = [];
	counts.requests++;
	open++;
	response.on('close', () => open--);
	response.on('error', () => {});
	request.on('error', () => {});
	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () => receive(pool, options, request, response, Buffer.concat(chunks)));
}

function main()
{
	const { values: options } = parseArgs({
		options: {
			'psql': { type: 'string', default: 'psql' },
			'dsn': { type: 'string', default: '' },
			'pool': { type: 'string', default: '8' },
			'basic': { type: 'string' },
			'port': { type: 'string', default: '0' },
			'host': { type: 'string', default: '127.0.0.1' },
			'no-stdin': { type: 'boolean', default: false },
		},
	});
	const pool = new Pool(options);
	run((request, response) => handle(pool, options, request, response), options);
}

main();
