'use strict';

/*
 * Persistent children psql, which ask the server for programs without a driver of their
 * own: new Pool({ psql, dsn, pool, name }).ask(STATEMENT, (({ code, text }) => ...)).
 *
 * code is the SQLSTATE, 00000 where all is well, 57P01 where the server is gone: then the
 * child ends, and is replaced when the next one is needed.
 */

const { spawn } = require('node:child_process');
const { randomBytes } = require('node:crypto');

const gone = '57P01';
const lost = /^(57P0[1-3]|08...)$/;

// psql leaves alone what is between quotes, so nothing but quotes is to be doubled.
function literal(text)
{
	return `'${text.replaceAll('\'', '\'\'')}'`;
}

// One psql, which is asked one thing at a time.  Its answers end with a line of the marker, a
// number and the SQLSTATE.
class Child
{
	constructor(pool)
	{
		const { psql, dsn, name } = pool.options;
		this.counts = pool.counts;
		this.counts.started++;
		this.marker = randomBytes(16).toString('hex');
		this.number = 0;
		this.text = '';
		this.done = undefined;
		this.dead = false;
		const options = { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, PGAPPNAME: name ?? 'door' } };
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
		this.counts.died++;
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
		this.counts = {};
		this.forget();
	}

	// started, died: of the children.
	forget()
	{
		Object.assign(this.counts, { started: 0, died: 0 });
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
		const child = this.idle.pop() ?? new Child(this);
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

module.exports = { Pool, literal };
