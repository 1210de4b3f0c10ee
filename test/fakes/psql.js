'use strict';

/*
 * Persistent children psql, which ask the server for programs without a driver of their
 * own: new Pool({ psql, dsn, pool, name }).ask(STATEMENT, (({ code, text }) => ...)).
 *
 * code is the SQLSTATE, 00000 where all is well, 57P01 where the server is gone: then the
 * child ends, and is replaced when the next one is needed.
 *
 * new Pool({ ..., errors: true }).transact([STATEMENT, ...], ({ code, text, error }) => ...)
 * sends statements that begin and end a transaction as one, so that none follows one that failed;
 * text is the result of the last but one, its columns with \x1f between, and error that of the
 * failed one: { message, detail, hint }.
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

// What psql tells of an error, verbosely.
function parseError(text)
{
	const part = (name) => text.match(new RegExp(`^${name}:  ([^]*?)(?=\\n(?:DETAIL|HINT|LOCATION|CONTEXT|QUERY|STATEMENT|LINE \\d+|[A-Z ]+ NAME|COLUMN|DATATYPE|CONSTRAINT):? |$)`, 'm'))?.[1];
	return { message: part('ERROR')?.replace(/^[0-9A-Z]{5}: /, '') ?? text, detail: part('DETAIL'), hint: part('HINT') };
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
		const parameters = ['-XqAt', '-F', '\x1f', '-v', `VERBOSITY=${pool.options.errors ? 'verbose' : 'sqlstate'}`, '-d', dsn];
		if (pool.options.errors)
			this.process = spawn('/bin/sh', ['-c', 'exec "$0" "$@" 2>&1', psql, ...parameters], options);
		else
			this.process = spawn(psql, parameters, options);
		this.process.on('error', () => this.die());
		this.process.on('close', () => this.die());
		this.process.stdin.on('error', () => {});
		this.process.stdout.setEncoding('utf8').on('data', (text) => this.read(text));
		this.process.stdin.write('SET client_encoding = \'UTF8\'; SET standard_conforming_strings = on;\n');
		if (pool.options.errors)
			this.process.stdin.write('SET client_min_messages = error;\n');
	}

	ask(statement, done)
	{
		this.done = done;
		this.text = '';
		this.process.stdin.write(`${statement};\n\\echo ${this.marker} ${++this.number} :SQLSTATE\n`);
	}

	// A line of the marker parts the last result from those before.
	transact(statements, done)
	{
		const last = statements.length - 2;
		const all = [...statements.slice(0, last), `SELECT '${this.marker}'`, ...statements.slice(last)];
		this.done = ({ code, text }) =>
		{
			const at = text.indexOf(`${this.marker}\n`);
			if (code === '00000')
				done({ code, text: text.slice(at + this.marker.length + 1) });
			else
				done({ code, text: '', error: parseError(text) });
		};
		this.text = '';
		this.process.stdin.write(`${all.join(' \\; ')};\n\\set code :SQLSTATE\n\\if :ERROR\nROLLBACK;\n\\endif\n` +
			`\\echo ${this.marker} ${++this.number} :code\n`);
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
		this.queue.push({ method: 'ask', statement, done });
		this.next();
	}

	transact(statements, done)
	{
		this.queue.push({ method: 'transact', statement: statements, done });
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
		const { method, statement, done } = this.queue.shift();
		this.busy++;
		child[method](statement, (result) =>
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
