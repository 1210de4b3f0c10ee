'use strict';

/*
 * Clients for test/bench/realtime: very many of them in one process, by the protocol itself, since a
 * stock client each would need more memory than the gateway.
 *
 *	node test/bench/realtime.js URL COUNT < commands
 *
 * A command on a line of its input, its result on a line of its output:
 *
 *	connect             all that are not connected, at once: seconds until all are
 *	drop                all, as if the network had gone
 *	events RATE SECS    single events to random users: milliseconds from commit to client p50, p99, from the call p99
 *	broadcast ROUNDS    events to all: milliseconds from commit to the last client, the median
 *	cycles COUNT        so many come and go, in various ways, 50 at a time
 */

const path = require('node:path');
const crypto = require('node:crypto');
const readline = require('node:readline');
const { createRequire } = require('node:module');
const live = createRequire(path.join(__dirname, '../live/live.js'));
const pg = live('pg');
const { WebSocket } = live('ws');

const [url, count] = [process.argv[2].replace(/^http/, 'ws'), Number(process.argv[3])];
const now = () => performance.now();
const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function token(sub)
{
	const text = `${part({ alg: 'HS256' })}.${part({ sub, role: 'washminute_customer', exp: Math.floor(Date.now() / 1000) + 86400 })}`;
	return `${text}.${crypto.createHmac('sha256', process.env.LIVE_SECRET).update(text).digest('base64url')}`;
}

/* A client of Engine.IO 4 and Socket.IO 5. */

class Light
{
	constructor(user)
	{
		this.token = token(user);
		this.heard = () => {};
		this.isIn = false;
	}

	// comes in, again and again until it is
	async connect()
	{
		while (!this.isIn)
			await this.attempt().catch(() => new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 300)));
	}

	attempt()
	{
		return new Promise((resolve, reject) =>
		{
			const socket = this.socket = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
			socket.on('error', reject);
			socket.on('close', () => { this.isIn = false; reject(new Error('closed')); });
			socket.on('message', (data) =>
			{
				const text = data.toString();
				if (text[0] === '0')
					socket.send(`40${JSON.stringify({ token: this.token })}`);
				else if (text[0] === '2')
					socket.send('3');
				else if (text.startsWith('42'))
					this.heard(text);
				else if (text.startsWith('40'))
				{
					this.isIn = true;
					resolve();
				}
				else if (text.startsWith('44'))
					reject(new Error(text));
			});
		});
	}

	drop()
	{
		this.isIn = false;
		this.socket.terminate();
	}
}

const clients = Array.from({ length: count }, (_, i) => new Light(`c${i + 1}`));
const pool = new pg.Pool({ max: 8 });
const percentile = (list, p) => list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * p))];
const fixed = (...values) => values.map((value) => value.toFixed(3)).join(' ');

const commands = {
	async connect()
	{
		const start = now();
		await Promise.all(clients.map((client) => client.connect()));
		return fixed((now() - start) / 1000);
	},

	async drop()
	{
		clients.forEach((client) => client.drop());
		return 'done';
	},

	async events(rate, seconds)
	{
		const total = rate * seconds;
		const [called, committed, heard] = [[], [], []];
		clients.forEach((client) =>
		{
			client.heard = (text) =>
			{
				const number = /"number": ?(\d+)/.exec(text);
				if (number)
					heard[number[1]] = now();
			};
		});
		const start = now();
		const pending = [];
		for (let number = 0; number < total;)
		{
			for (const due = (now() - start) / 1000 * rate; number < Math.min(due, total); number++)
			{
				const mine = number;
				called[mine] = now();
				pending.push(pool.query({ name: 'emit', text: "SELECT washminute.emit('user-c' || $1, 'bench', jsonb_build_object('number', $2::integer))",
					values: [1 + Math.floor(Math.random() * count), mine] }).then(() => { committed[mine] = now(); }));
			}
			await new Promise((resolve) => setTimeout(resolve, 1));
		}
		await Promise.all(pending);
		for (const end = now() + 30000; heard.filter((at) => at).length < total && now() < end;)
			await new Promise((resolve) => setTimeout(resolve, 50));
		const lost = total - heard.filter((at) => at).length;
		if (lost > 0)
			throw new Error(`${lost} events did not come`);
		// a client may have heard it before the session was told of its commit
		const latencies = heard.map((at, i) => Math.max(0, at - committed[i]));
		return fixed(percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(heard.map((at, i) => at - called[i]), 0.99));
	},

	async broadcast(rounds)
	{
		const times = [];
		for (let round = 0; round < rounds; round++)
		{
			let left = count;
			let last;
			const all = new Promise((resolve) => { clients.forEach((client) => { client.heard = () => { if (--left === 0) { last = now(); resolve(); } }; }); });
			await pool.query("SELECT washminute.emit_all('bench')");
			const start = now();
			await all;
			times.push(last - start);
		}
		return fixed(percentile(times, 0.5));
	},

	async cycles(total)
	{
		const go = async (i) =>
		{
			const client = new Light(`c${i % count + 1}`);
			await client.connect();
			if (i % 3 === 0)
				client.socket.send('41');
			if (i % 3 === 1)
				client.socket.close();
			else
				client.drop();
		};
		for (let i = 0; i < total; i += 50)
			await Promise.all(Array.from({ length: 50 }, (_, k) => go(i + k)));
		return 'done';
	}
};

(async () =>
{
	for await (const line of readline.createInterface({ input: process.stdin }))
	{
		const [name, ...values] = line.split(' ');
		console.log(await commands[name](...values.map(Number)));
	}
	process.exit(0);
})().catch((error) =>
{
	console.error(error);
	process.exit(1);
});
