'use strict';

/*
 * Many washmen accept one request at the same moment, over HTTP.
 *
 *	node test/rest/storm.js --url URL --secret JWT-SECRET --request UUID --washmen 200
 *
 * The washmen are w1, w2 ...  Prints the number of answers by status, and their codes, as JSON.
 */

const crypto = require('node:crypto');
const http = require('node:http');
const { parseArgs } = require('node:util');

const { values: options } = parseArgs({ options: {
	url: { type: 'string' }, secret: { type: 'string' }, request: { type: 'string' }, washmen: { type: 'string', default: '200' } } });

function token(sub)
{
	const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
	const claims = { iss: 'rest', client_id: 'app', token_use: 'access', sub, role: 'washminute_washman', exp: Math.floor(Date.now() / 1000) + 3600 };
	const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
	return `${signed}.${crypto.createHmac('sha256', options.secret).update(signed).digest('base64url')}`;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });

function ask(method, path, sub, body)
{
	return new Promise((resolve, reject) =>
	{
		const request = http.request(options.url + path, { method, agent, headers: { Authorization: `Bearer ${token(sub)}`,
			'Content-Type': 'application/json' } }, (response) =>
		{
			const chunks = [];
			response.on('data', (chunk) => chunks.push(chunk));
			response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) }));
		});
		request.on('error', reject);
		request.end(body);
	});
}

async function main()
{
	const subs = Array.from({ length: Number(options.washmen) }, (_, i) => `w${i + 1}`);
	// connections first, so that they all come at once
	await Promise.all(subs.map((sub) => ask('GET', '/rpc/health', sub)));
	const answers = await Promise.all(subs.map((sub) => ask('POST', '/rpc/accept_request', sub, JSON.stringify({ request_id: options.request }))));
	const counts = {};
	for (const { status, body } of answers)
	{
		const name = `${status} ${status < 400 ? '' : (body.details ?? body.code).split(' ')[0]}`.trim();
		counts[name] = (counts[name] ?? 0) + 1;
	}
	console.log(JSON.stringify(counts));
	process.exit(0);
}

main();
