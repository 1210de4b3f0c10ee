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
const { spawn } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const http = require('node:http');
const { parseArgs } = require('node:util');

const mostBytes = 1024 * 1024;
const gone = '57P01';
const lost = /^(57P0[1-3]|08...)$/;

let counts = newCounts();
let open = 0;

// words: what callbacks were answered.  started, died: of the children.
function newCounts()
{
	return { requests: 0, callbacks: 0, returns: 0, status: {}, codes: {}, words: {}, started: 0, died: 0 };
}

// psql leaves alone what is between quotes, so nothing but quotes is to be doubled.
function literal(text)
{
	return `'${text.replaceAll('\'', '\'\'')}'`;
}

// One psql, which is asked one thing at a time.  Its answers end with a line of the marker, a
// number and the SQLSTATE.
class Child
{
	constructor({ psql, dsn })
	{
		counts.started++;
		this.marker = randomBytes(16).toString('hex');
		this.number = 0;
		this.text = '';
		this.done = undefined;
		this.dead = false;
		const options = { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, PGAPPNAME: 'door' } };
		this.process = spawn(psql, ['-XqAt', '-v', 'VERBOSITY=sqlstate', '-d', dsn], options);
		this.process.on('error', () => this.die());
		this.process.on('close', () => this.die());
		this.process.stdin.on('error', () => {});
		this.process.stdout.setEncoding('utf8').on('data', (text) => this.read(text));
		this.process.stdin.write('SET client_encoding = \'UTF8\'; SET standard_conforming_strings = on;\n');
	}

	ask(statement, done)
	{
		this.done = done;
		this.text = '';
		this.process.stdin.write(`${statement};\n\\echo ${this.marker} ${++this.number} :SQLSTATE\n`);
	}

	// The result has a line end of its own, an error has no result.
	read(text)
	{
		this.text += text;
		const at = this.text.lastIndexOf(`${this.marker} ${this.number} `);
		if (this.done === undefined || at < 0 || !this.text.endsWith('\n'))
			return;
		const [, code] = this.text.slice(at).match(/ ([0-9A-Z]{5})\n$/) ?? [];
		if (code === undefined || lost.test(code))
			this.die();
		else
			this.answer({ code, text: this.text.slice(0, Math.max(0, at - 1)) });
	}

	answer(result)
	{
		const { done } = this;
		this.done = undefined;
		done?.(result);
	}

	// Without a server: who waits for an answer waits in vain.
	die()
	{
		if (this.dead)
			return;
		this.dead = true;
		counts.died++;
		this.process.stdin.end();
		this.answer({ code: gone, text: '' });
	}
}

class Pool
{
	constructor(options)
	{
		this.options = options;
		this.size = Number(options.pool);
		this.idle = [];
		this.busy = 0;
		this.queue = [];
	}

	ask(statement, done)
	{
		this.queue.push({ statement, done });
		this.next();
	}

	// The idle ones have most likely lost the server too, and would notice too late.
	dismiss()
	{
		this.idle.splice(0).forEach((child) => child.die());
	}

	// The one used last is asked first, so that no more are started than needed.
	next()
	{
		if (this.queue.length === 0 || this.busy >= this.size)
			return;
		this.idle = this.idle.filter(({ dead }) => !dead);
		const child = this.idle.pop() ?? new Child(this.options);
		const { statement, done } = this.queue.shift();
		this.busy++;
		child.ask(statement, (result) =>
		{
			this.busy--;
			if (child.dead)
				this.dismiss();
			else
				this.idle.push(child);
			done(result);
			this.next();
		});
	}
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

function control(request, response)
{
	const known = request.url === '/control';
	if (known && request.method === 'DELETE')
		counts = newCounts();
	const body = JSON.stringify({ ...counts, open });
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
		control(request, response);
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

// The children end when their stdin does.
function end()
{
	process.exit(0);
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
	const patience = { keepAliveTimeout: 120_000, requestTimeout: 0, headersTimeout: 0, noDelay: true };
	const server = http.createServer(patience, (request, response) => handle(pool, options, request, response));
	server.on('clientError', (error, socket) => socket.destroy());
	server.listen({ port: Number(options.port), host: options.host, backlog: 4096 }, () =>
		console.log(`listening on ${server.address().port}`));
	process.on('SIGTERM', end);
	if (!options['no-stdin'])
		process.stdin.on('end', end).on('error', end).resume();
}

main();
