'use strict';

/*
 * Stands for PostgREST where there is none: the same transactions, sent through psql by the same
 * login, and the same statuses, headers and bodies, for what the API of this extension and its
 * tests use of it.
 *
 *	node test/fakes/postgrest.js --dsn CONNINFO (--jwt-secret TEXT | --jwks FILE) [--schema washminute_api]
 *		[--anon washminute_anon] [--pre-request washminute.pre_request] [--role-claim role]
 *		[--psql psql] [--pool 8] [--port 0] [--host 127.0.0.1] [--no-stdin]
 *
 * CONNINFO is that of the authenticator.  Prints "listening on PORT" when it does.  Ends on SIGTERM,
 * and when its stdin closes; --no-stdin leaves stdin alone.  Reads the schema once, as it starts.
 *
 * Not here: embedding, ranges, upserts, representations of what was written, OpenAPI, CSV,
 * several schemas.  As of version 16 a serialization failure is an answer of status 500.
 */

const fs = require('node:fs');
const crypto = require('node:crypto');
const { parseArgs } = require('node:util');
const { Pool } = require('./psql.js');
const sql = require('./postgrest-sql.js');
const { run } = require('./serve.js');

const leewaySeconds = 30;

class Refusal extends Error
{
	constructor(status, code, message, details = null, hint = null)
	{
		super(message);
		Object.assign(this, { status, body: { code, details, hint, message } });
	}
}

/* JSON Web Tokens. */

const parsePart = (text) => JSON.parse(Buffer.from(text, 'base64url').toString());

function signatureIsGood(header, signed, signature, keys)
{
	const bytes = Buffer.from(signature, 'base64url');
	return keys.some((key) =>
	{
		if (header.alg === 'HS256' && key.kty === 'oct')
		{
			const expected = crypto.createHmac('sha256', Buffer.from(key.k, 'base64url')).update(signed).digest();
			return expected.length === bytes.length && crypto.timingSafeEqual(expected, bytes);
		}
		return header.alg === 'RS256' && key.kty === 'RSA' && (key.kid === undefined || key.kid === header.kid) &&
			crypto.verify('RSA-SHA256', Buffer.from(signed), crypto.createPublicKey({ key, format: 'jwk' }), bytes);
	});
}

// The claims of a request; those of nobody where it has no token.
function authenticate(request, options)
{
	const [, token] = request.headers.authorization?.match(/^Bearer (.+)$/i) ?? [];
	if (token === undefined)
		return {};
	const parts = token.split('.');
	let header, claims;
	try
	{
		[header, claims] = [parsePart(parts[0]), parsePart(parts[1])];
		if (parts.length !== 3 || !signatureIsGood(header, `${parts[0]}.${parts[1]}`, parts[2], options.keys))
			throw new Error('no key');
	}
	catch
	{
		throw new Refusal(401, 'PGRST301', 'No suitable key or wrong key type');
	}
	const now = Date.now() / 1000;
	if (claims.exp !== undefined && now > claims.exp + leewaySeconds)
		throw new Refusal(401, 'PGRST303', 'JWT expired');
	if (claims.nbf !== undefined && now < claims.nbf - leewaySeconds)
		throw new Refusal(401, 'PGRST303', 'JWT not yet valid');
	if (claims.iat !== undefined && now < claims.iat - leewaySeconds)
		throw new Refusal(401, 'PGRST303', 'JWT issued at future');
	return claims;
}

/* Answers. */

const classes = { '08': 503, '09': 500, '0L': 403, '0P': 403, '25': 500, '28': 403, '2D': 500, '38': 500, '39': 500, '3B': 500,
	'40': 500, '53': 503, '54': 500, '55': 500, '57': 500, '58': 500, 'F0': 500, 'HV': 500, 'P0': 500, 'XX': 500 };
const states = { '23503': 409, '23505': 409, '25006': 405, '42883': 404, '42P01': 404, '42P17': 500, '53400': 500, '57P01': 503, 'P0001': 400 };

function statusOf(code, message, isAnonymous)
{
	const [, given] = code.match(/^PT(\d{3})$/) ?? [];
	if (given !== undefined)
		return Number(given);
	if (code === '42501')
		return isAnonymous ? 401 : 403;
	if (code === '22023')
		return /^role .* does not exist/.test(message) ? 401 : 400;
	return states[code] ?? classes[code.slice(0, 2)] ?? 400;
}

function send(request, response, status, headers, body)
{
	response.statusCode = status;
	for (const [name, value] of Object.entries(headers))
		response.setHeader(name, value);
	// as Warp does: no body where there can be none
	response.end(request.method === 'HEAD' || status === 204 || status === 304 ? undefined : body);
}

function refuse(request, response, { status, body, headers })
{
	const more = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : status === 503 ? { 'Retry-After': '0' } : {};
	send(request, response, status, { 'Content-Type': 'application/json; charset=utf-8', ...more, ...headers }, JSON.stringify(body));
}

// SQLSTATE PGRST brings its own answer.
function refusalOf({ code, error }, isAnonymous)
{
	if (code === 'PGRST')
	{
		const body = JSON.parse(error.message);
		const { status, headers } = JSON.parse(error.detail);
		return { status, headers, body: { code: body.code, details: body.details ?? null, hint: body.hint ?? null, message: body.message } };
	}
	return { status: statusOf(code, error?.message ?? '', isAnonymous),
		body: { code, details: error?.detail ?? null, hint: error?.hint ?? null, message: error?.message ?? 'no connection' } };
}

// What the main query gave.
function answer(context, text, plan)
{
	const { request, response } = context;
	const [total, page, body, headers, status] = text.split('\x1f');
	const all = {};
	const count = Number(page);
	let content = plan.empty ? '' : body;
	if (plan.singular)
	{
		if (count !== 1)
			throw new Refusal(406, 'PGRST116', 'Cannot coerce the result to a single JSON object', `The result contains ${count} rows`);
		content = content.slice(1, -1);
	}
	if (plan.type !== undefined)
		all['Content-Type'] = plan.type;
	if (plan.range)
		all['Content-Range'] = `${count === 0 ? '*' : `0-${count - 1}`}/${total || '*'}`;
	for (const header of headers ? JSON.parse(headers) : [])
		for (const [name, value] of Object.entries(header))
		{
			const known = Object.keys(all).find((other) => other.toLowerCase() === name.toLowerCase());
			all[known ?? name] = value;
		}
	send(request, response, status ? Number(status) : plan.status, all,
		plan.bytes ? Buffer.from(content.slice(2), 'hex') : content);
}

/* What is asked for. */

const json = 'application/json; charset=utf-8';

// Media types of Accept, the most wanted first.
function accepted(request)
{
	return (request.headers.accept ?? '*/*').split(',').map((part, index) =>
	{
		const [type, ...parameters] = part.trim().split(';').map((word) => word.trim().toLowerCase());
		const quality = Number(parameters.find((word) => word.startsWith('q='))?.slice(2) ?? 1);
		return { type, quality, index };
	}).sort((a, b) => b.quality - a.quality || a.index - b.index).map(({ type }) => type);
}

function contentPlan(request, fn)
{
	for (const type of accepted(request))
	{
		if (fn?.media === '*/*')
			return { media: true, type: 'application/octet-stream', bytes: fn.bytes };
		if (fn?.media && type === fn.media)
			return { media: true, type: `${fn.media}; charset=utf-8`, bytes: fn.bytes };
		if (type === 'application/json' || type === '*/*' || type === 'application/*')
			return { type: json };
		if (type === 'application/vnd.pgrst.object+json' && (fn === undefined || fn.composite && fn.set))
			return { type: 'application/vnd.pgrst.object+json; charset=utf-8', singular: true };
	}
	throw new Refusal(406, 'PGRST107', `None of these media types are available: ${request.headers.accept}`);
}

function notFound(name, names)
{
	return new Refusal(404, 'PGRST202', `Could not find the function ${name}(${names.join(', ')}) in the schema cache`);
}

// Are these the names of its arguments, and all that must be there?
const takes = (fn, names) => names.every((name) => fn.arguments.some((known) => known.name === name)) &&
	fn.arguments.every((known) => !known.required || names.includes(known.name));

function parseJson(text)
{
	let value;
	try
	{
		value = JSON.parse(text);
	}
	catch
	{
		throw new Refusal(400, 'PGRST102', 'Empty or invalid json');
	}
	return value;
}

// Of a POST to /rpc: what the function is given.
function posted(request, name, fn, body)
{
	const type = (request.headers['content-type'] ?? 'application/json').split(';')[0].trim().toLowerCase();
	const unnamed = fn?.arguments.length === 1 && fn.arguments[0].name === '' ? fn.arguments[0].type : undefined;
	if (type === 'application/json')
	{
		const value = parseJson(body.length > 0 ? body.toString() : '{}');
		const names = Object.keys(value);
		if (fn === undefined || unnamed !== undefined && !/^json/.test(unnamed) || unnamed === undefined && !takes(fn, names))
			throw notFound(name, names);
		return unnamed ? { raw: body.toString() } : { json: body.toString(), names };
	}
	if (type === 'text/plain' && unnamed === 'text')
		return { raw: body.toString() };
	if (type === 'application/x-www-form-urlencoded')
	{
		const named = Object.fromEntries(new URLSearchParams(body.toString()));
		if (fn === undefined || !takes(fn, Object.keys(named)))
			throw notFound(name, Object.keys(named));
		return { named };
	}
	if (type === 'text/plain' || fn === undefined)
		throw notFound(name, []);
	throw new Refusal(415, 'PGRST102', `Content-Type not acceptable: ${type}`);
}

function planCall(context, name, query, body)
{
	const { request, catalogue } = context;
	const fn = catalogue.functions[name];
	const reads = request.method !== 'POST';
	let values;
	if (!['GET', 'HEAD', 'POST'].includes(request.method))
		throw new Refusal(405, 'PGRST101', `Cannot use the ${request.method} method on RPC`);
	if (reads)
	{
		const named = Object.fromEntries([...query].filter(([key, text]) => !sql.isSpecial(key) && sql.condition('x', text) === undefined));
		if (fn === undefined || !takes(fn, Object.keys(named)))
			throw notFound(name, Object.keys(named));
		values = { named };
	}
	else
	{
		const wrong = [...query].find(([key, text]) => !sql.isSpecial(key) && sql.condition('x', text) === undefined);
		if (wrong)
			throw new Refusal(400, 'PGRST100', `"failed to parse filter (${wrong[1]})" (line 1, column 1)`);
		values = posted(request, name, fn, body);
	}
	const plan = fn.void ? { ...contentPlan(request), type: undefined, status: 204, empty: true } : { ...contentPlan(request, fn), status: 200, range: fn.set };
	return { ...plan, isolation: fn.isolation ?? undefined, timeout: fn.timeout ?? undefined, writes: !reads && fn.volatile,
		main: sql.call(context.schema, fn, values, plan.media) };
}

function planRelation(context, name, query, body)
{
	const { request, catalogue } = context;
	const types = catalogue.relations[name];
	if (types === undefined)
		throw new Refusal(404, 'PGRST205', `Could not find the table '${context.schema}.${name}' in the schema cache`);
	try
	{
		if (request.method === 'GET' || request.method === 'HEAD')
			return { ...contentPlan(request), status: 200, range: true, writes: false,
				main: sql.read(context.schema, name, query, /count=exact/.test(request.headers.prefer ?? '')) };
		if (!['POST', 'PATCH', 'DELETE'].includes(request.method))
			throw new Refusal(405, 'PGRST117', `Unsupported HTTP method: ${request.method}`);
		return { ...contentPlan(request), type: undefined, status: request.method === 'POST' ? 201 : 204, writes: true,
			main: sql.write(context.schema, name, request.method, query, body.length > 0 ? parseJson(body.toString()) : {}, types) };
	}
	catch (error)
	{
		if (error.unknown !== undefined)
			throw new Refusal(400, 'PGRST100', `"failed to parse filter (${query.get(error.unknown)})" (line 1, column 1)`);
		throw error;
	}
}

function receive(server, request, response, body)
{
	const { options, catalogue, pool } = server;
	const { pathname, searchParams } = new URL(request.url, 'http://x');
	const context = { request, response, catalogue, schema: options.schema };
	const claims = authenticate(request, options);
	const role = claims[options['role-claim']] ?? options.anon;
	const [, call] = pathname.match(/^\/rpc\/([^/]+)$/) ?? [];
	const [, relation] = pathname.match(/^\/([^/]+)$/) ?? [];
	if (call === undefined && relation === undefined)
		throw new Refusal(404, 'PGRST125', 'Invalid path specified in request URL');
	const plan = call !== undefined ? planCall(context, decodeURIComponent(call), searchParams, body) :
		planRelation(context, decodeURIComponent(relation), searchParams, body);
	const asked = { schema: options.schema, role, roleSettings: catalogue.roleSettings[role], claims: { ...claims, role },
		method: request.method, path: decodeURIComponent(pathname), headers: request.headers, timeout: plan.timeout, preRequest: options['pre-request'] };
	pool.transact(sql.transaction(asked, plan.isolation, plan.writes, plan.main), (result) =>
	{
		if (result.code !== '00000')
			refuse(request, response, refusalOf(result, role === options.anon));
		else
			attempt(request, response, () => answer(context, result.text, plan));
	});
}

function attempt(request, response, work)
{
	try
	{
		work();
	}
	catch (error)
	{
		if (!(error instanceof Refusal))
			console.error(error);
		refuse(request, response, error instanceof Refusal ? error :
			{ status: 500, body: { code: 'PGRSTX00', details: null, hint: null, message: error.message } });
	}
}

function handle(server, request, response)
{
	const chunks = [];
	response.on('error', () => {});
	request.on('error', () => {});
	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () => attempt(request, response, () => receive(server, request, response, Buffer.concat(chunks))));
}

function readKeys(options)
{
	const text = options.jwks === undefined ? options['jwt-secret'] : fs.readFileSync(options.jwks, 'utf8');
	if (text === undefined)
		throw new Error('--jwt-secret or --jwks, please');
	return text.startsWith('{') ? JSON.parse(text).keys ?? [JSON.parse(text)] : [{ kty: 'oct', k: Buffer.from(text).toString('base64url') }];
}

function main()
{
	const { values: options } = parseArgs({
		options: {
			'psql': { type: 'string', default: 'psql' },
			'dsn': { type: 'string', default: '' },
			'pool': { type: 'string', default: '8' },
			'schema': { type: 'string', default: 'washminute_api' },
			'anon': { type: 'string', default: 'washminute_anon' },
			'pre-request': { type: 'string', default: 'washminute.pre_request' },
			'role-claim': { type: 'string', default: 'role' },
			'jwt-secret': { type: 'string' },
			'jwks': { type: 'string' },
			'port': { type: 'string', default: '0' },
			'host': { type: 'string', default: '127.0.0.1' },
			'no-stdin': { type: 'boolean', default: false },
		},
	});
	options.keys = readKeys(options);
	const pool = new Pool({ ...options, errors: true, name: 'postgrest' });
	pool.ask(sql.catalogueQuery(options.schema), ({ code, text }) =>
	{
		if (code !== '00000')
			throw new Error(`the schema could not be read: ${text}`);
		const server = { options, pool, catalogue: JSON.parse(text) };
		run((request, response) => handle(server, request, response), options);
	});
}

main();
