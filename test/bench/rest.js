'use strict';

/*
 * Sends the requests of stdin, a line each, "METHOD PATH SUB ROLE BODY", one after the other over one
 * connection, and prints how many were answered in a second, and the 99th percentile of their
 * milliseconds.  An answer that is none of 2xx ends it.
 *
 *	rest.js URL JWT-SECRET
 */

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');

const [url, secret] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function token(sub, role)
{
	const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
	const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, role: `washminute_${role}` })}`;
	return `${signed}.${crypto.createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function ask([method, path, headers, body])
{
	return new Promise((resolve, reject) =>
	{
		const request = http.request(url + path, { method, agent, headers }, (response) =>
		{
			const chunks = [];
			response.on('data', (chunk) => chunks.push(chunk));
			response.on('end', () => response.statusCode < 300 ? resolve() :
				reject(new Error(`${method} ${path}: ${response.statusCode} ${Buffer.concat(chunks)}`)));
		});
		request.on('error', reject);
		request.end(body);
	});
}

async function main()
{
	const requests = fs.readFileSync(0, 'utf8').split('\n').filter((line) => line !== '').map((line) =>
	{
		const [, method, path, sub, role, body] = line.match(/^(\S+) (\S+) (\S+) (\S+) ?([^]*)$/);
		return [method, path, { Authorization: `Bearer ${token(sub, role)}`, 'Content-Type': 'application/json' }, body || undefined];
	});
	const times = [];
	for (const request of requests)
	{
		const before = performance.now();
		await ask(request);
		times.push(performance.now() - before);
	}
	const total = times.reduce((sum, time) => sum + time, 0);
	times.sort((a, b) => a - b);
	console.log(`${(1000 * times.length / total).toFixed(1)} ${times[Math.floor(times.length * 0.99)].toFixed(3)}`);
	process.exit(0);
}

main();
