'use strict';

/*
 * What the programs here have in common: gateways that they start, stock clients, tokens, and the
 * Test Anything Protocol.
 */

const { spawn } = require('node:child_process');
const crypto = require('node:crypto');
const path = require('node:path');
const pg = require('pg');
const { io } = require('socket.io-client');

const folder = path.join(__dirname, '../../src/gateway/live');
const patience = Number(process.env.LIVE_TEST_PATIENCE ?? 180000);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Tokens. */

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function sign(secret, claims, header = { alg: 'HS256', typ: 'JWT' })
{
	const text = `${part(header)}.${part(claims)}`;
	const signature = header.alg === 'none' ? '' : crypto.createHmac('sha256', secret).update(text).digest('base64url');
	return `${text}.${signature}`;
}

// A token for somebody, such as tests sign.
const token = (sub, more = {}) => sign(process.env.LIVE_SECRET, { iss: 'rest', client_id: 'app', token_use: 'access',
	role: 'washminute_customer', exp: Math.floor(Date.now() / 1000) + 3600, sub, ...more });

/* The database, as its owner: a client of pg, and sql(TEXT, VALUE...) for the first row's first value. */

async function openDatabase()
{
	const client = new pg.Client({ user: process.env.LIVE_OWNER });
	client.on('error', () => {});
	await client.connect();
	return client;
}

async function sql(text, ...values)
{
	if (!sql.client)
	{
		sql.client = await openDatabase();
		sql.client.once('end', () => { sql.client = undefined; });
	}
	const { client } = sql;
	const { rows } = await client.query(text, values.length ? values : undefined);
	return rows?.[0] && Object.values(rows[0])[0];
}

/* Conditions: never a fixed time to wait. */

async function until(condition, what)
{
	const end = Date.now() + patience;
	for (;;)
	{
		const value = await condition();
		if (value)
			return value;
		if (Date.now() > end)
			throw new Error(`waited too long for ${what ?? condition}`);
		await wait(10);
	}
}

/* A gateway: a process of its own. */

class Gateway
{
	constructor(environment = {}, options = [])
	{
		this.output = '';
		this.environment = environment;
		this.child = spawn(process.execPath, [...options, path.join(folder, 'gateway.js')],
			{ env: { ...process.env, PGAPPNAME: 'gateway', LIVE_PORT: '0', ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
		this.exit = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve(code ?? signal)));
		for (const stream of [this.child.stdout, this.child.stderr])
			stream.on('data', (data) => { this.output += data; });
		Gateway.all.add(this);
		this.exit.then(() => Gateway.all.delete(this));
	}

	static all = new Set();

	get port()
	{
		return Number(/^listening on (\d+)/m.exec(this.output)?.[1]);
	}

	get url()
	{
		return `http://127.0.0.1:${this.port}`;
	}

	async health()
	{
		try
		{
			const answer = await fetch(`${this.url}/health`);
			return { status: answer.status, ...await answer.json() };
		}
		catch
		{
			return {};
		}
	}

	async ready()
	{
		await until(async () => Gateway.all.has(this) ? this.port > 0 && (await this.health()).listening :
			Promise.reject(new Error(`the gateway ended: ${this.output}`)), 'the gateway');
		return this;
	}

	async end(signal = 'SIGTERM')
	{
		this.child.kill(signal);
		return this.exit;
	}
}

process.on('exit', () => Gateway.all.forEach((gateway) => gateway.child.kill('SIGKILL')));

/* A stock client, as an app would use it: it says what it saw last, and keeps what it hears, but for "ready". */

class Client
{
	constructor(url, token, options = {})
	{
		this.events = [];
		this.since = options.since;
		this.states = [];
		this.socket = io(url, {
			auth: (give) => give({ token: typeof token === 'function' ? token() : token, since: this.since }),
			transports: ['websocket'],
			forceNew: true,
			reconnectionDelay: 100,
			reconnectionDelayMax: 500,
			...options
		});
		this.socket.onAny((event, data) =>
		{
			if (event !== 'ready')
				this.events.push([event, data]);
			if (data?.eid !== undefined)
				this.since = data.eid;
		});
		this.socket.on('connect', () => this.states.push('connect'));
		this.socket.on('disconnect', (reason) => this.states.push(reason));
		this.socket.on('connect_error', (error) => this.states.push(error.data?.code ?? error.message));
		Client.all.add(this);
	}

	static all = new Set();

	static closeAll()
	{
		Client.all.forEach((client) => client.close());
	}

	// the answer of the gateway, or what became of the connection
	async entered()
	{
		const start = this.states.length;
		await until(() => this.socket.connected || this.states.length > start, 'a connection');
		return this.socket.connected ? 'connect' : this.states.at(-1);
	}

	ask(event, ...args)
	{
		return this.socket.timeout(patience).emitWithAck(event, ...args);
	}

	named(event)
	{
		return this.events.filter(([name]) => name === event).map(([, data]) => data);
	}

	async hears(event, count = 1)
	{
		await until(() => this.named(event).length >= count, `${count} of ${event}`);
		return this.named(event);
	}

	close()
	{
		this.socket.disconnect();
		Client.all.delete(this);
	}

	// as if the network went away
	drop()
	{
		this.socket.io.engine?.transport?.ws?.terminate?.();
	}
}

/* The Test Anything Protocol. */

let number = 0;

function ok(isGood, name)
{
	console.log(`${isGood ? 'ok' : 'not ok'} ${++number} - ${name}`);
	return isGood;
}

function is(value, expected, name)
{
	const [got, wanted] = [value, expected].map((it) => typeof it === 'string' ? it : JSON.stringify(it));
	if (!ok(got === wanted, name))
		console.log(`# got ${got}\n# not ${wanted}`);
}

// Runs tests; the process ends with them, whatever is open.
async function run(tests)
{
	let status = 0;
	try
	{
		await tests();
		console.log(`1..${number}`);
	}
	catch (error)
	{
		console.log(`# ${(error.stack ?? String(error)).replace(/\n/g, '\n# ')}`);
		for (const gateway of Gateway.all)
			console.log(`# gateway: ${gateway.output.slice(-2000).replace(/\n/g, '\n# ')}`);
		status = 1;
	}
	Client.closeAll();
	Gateway.all.forEach((gateway) => gateway.child.kill('SIGKILL'));
	process.exit(status);
}

module.exports = { Client, Gateway, folder, is, ok, openDatabase, run, sign, sql, token, until };
