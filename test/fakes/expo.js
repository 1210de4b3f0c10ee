'use strict';

/*
 * A fake Expo push service: gives tickets and receipts as the real one does, and
 * misbehaves on demand.
 *
 *	node test/fakes/expo.js [--port 0] [--host 127.0.0.1] [--no-stdin]
 *
 * Prints "listening on PORT" when it does.  Ends on SIGTERM, and when its stdin
 * closes, so that it never outlives its test; --no-stdin leaves stdin alone.
 *
 * POST /push/send and POST /push/getReceipts, with or without /--/api/v2 before them,
 * are the service.  A token's text decides what befalls it, see expo-service.js.
 * All else is told on the same port, in JSON:
 *
 *	PUT /control            {"mode": "too_few", "times": 2}, or an array of such steps, replaces the script of
 *	                        both endpoints; expo-modes.js has all modes.  A step without "times" lasts for
 *	                        ever, after the last one all is well again.  A step is one of /push/send, unless
 *	                        it has "endpoint": "receipts".  The modes whose outcome a client cannot know
 *	                        (reset, gateway_timeout, not_json, too_few, too_many, hold, delay) accept what
 *	                        they get, the others do not; "accept": true or false makes it otherwise.
 *	                        Options, in any step or alone, that last until changed or DELETE: "limit":
 *	                        recipients per sliding second and project, or null; "access_token": the one
 *	                        that is required, or null; "record": true keeps the messages from now on;
 *	                        "latency": true reads their data.sentAt;
 *	                        "tally": true counts what is accepted from now on.
 *	GET /control            the counts, see summary and Service.summary, and what is left of the scripts
 *	GET /control/messages   what was recorded, in the order of arrival, each with "at"; ?token=... only those to it
 *	GET /control/latency    milliseconds from data.sentAt to the arrival, of each message
 *	GET /control/tally      how many were accepted, doubled ones once, by token's group, data.event and title
 *	POST /control/release   answers what mode "hold" holds
 *	DELETE /control         forgets scripts, options, counts and tickets; what is held stays held
 */

const { parseArgs } = require('node:util');
const { gunzipSync } = require('node:zlib');
const { Hook } = require('./hook.js');
const { accepts, answer, notAccepted, refusal, tell } = require('./expo-modes.js');
const { Service, invalid, readOrder, refusal: refuse } = require('./expo-service.js');
const { run } = require('./serve.js');

const service = new Service();

// A hook has the script of an endpoint, and what is open there.
const endpoints = {
	send: {
		hook: new Hook(),
		read: readOrder,
		count: (order, at) => service.countOrder(order, at),
		serve: (order, authorization, at) => service.send(order, authorization, at),
	},
	getReceipts: {
		hook: new Hook(),
		read: (question) => question,
		count: (question) => service.countQuestion(question),
		serve: (question, authorization, at) => service.receipts(question, authorization, at),
	},
};
const sending = endpoints.send.hook;
const receipts = endpoints.getReceipts.hook;

function readBody(request, done)
{
	const chunks = [];
	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () => done(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
}

// Once, as both Node and a reset tell of the end.
function onResponseClose()
{
	this.off('close', onResponseClose);
	this.req.hook.departed(this.writableFinished);
}

// The step is taken on arrival, since the next request may come before this one's body.
function receive(endpoint, request, response)
{
	request.hook = endpoint.hook;
	endpoint.hook.arrived(request);
	service.arrived(request);
	const step = endpoint.hook.nextStep();
	request.on('error', () => {});
	response.on('error', () => {});
	response.on('close', onResponseClose);
	readBody(request, (body) => answer(step, response, outcomeOf(endpoint, request, body, accepts(step))));
}

// Synchronously, so that requests are judged in the order of their arrival.
function outcomeOf(endpoint, { headers }, body, accepted)
{
	const at = performance.timeOrigin + performance.now();
	const encoding = headers['content-encoding'] ?? 'identity';
	if (encoding !== 'identity' && encoding !== 'gzip')
		return refuse(415, 'UNSUPPORTED_MEDIA_TYPE', `unsupported content encoding "${encoding}"`);
	let value;
	try
	{
		value = JSON.parse(encoding === 'gzip' ? gunzipSync(body) : body);
	}
	catch (error)
	{
		return invalid(error.message);
	}
	const content = endpoint.read(value);
	endpoint.count(content, at);
	return accepted ? endpoint.serve(content, headers.authorization, at) : notAccepted;
}

// All answers of the control interface are JSON.
function report(response, status, body)
{
	tell(response, { status, body: JSON.stringify(body) });
}

// requests and modes are those of /push/send, open are those of both.
function summary()
{
	return {
		requests: sending.requests,
		...service.summary(),
		receiptRequests: receipts.requests,
		open: sending.open + receipts.open,
		modes: sending.script,
		receiptModes: receipts.script,
	};
}

// A step that has but options is no step.
function isStep({ mode, times })
{
	return mode !== undefined || times !== undefined;
}

// A script with a mistake in it is refused whole, or a test would pass for the wrong reason.
function setScript(response, body)
{
	let steps;
	try
	{
		steps = [].concat(JSON.parse(body));
	}
	catch (error)
	{
		report(response, 400, { error: error.message });
		return;
	}
	const error = steps.map(refusal).find(Boolean);
	if (error)
	{
		report(response, 400, { error });
		return;
	}
	steps.forEach((step) => service.setOptions(step));
	sending.setScript(steps.filter((step) => isStep(step) && step.endpoint !== 'receipts'));
	receipts.setScript(steps.filter((step) => isStep(step) && step.endpoint === 'receipts'));
	report(response, 200, summary());
}

// The held are taken out first, as answering them changes the set.
function release(response)
{
	const held = [...sending.held, ...receipts.held];
	sending.held.clear();
	receipts.held.clear();
	held.forEach((one) => tell(one, one.outcome));
	report(response, 200, { released: held.length });
}

function forget(response)
{
	service.forget();
	sending.forget();
	receipts.forget();
	report(response, 200, {});
}

const controls = {
	'GET /control': (response) => report(response, 200, summary()),
	'PUT /control': setScript,
	'DELETE /control': forget,
	'GET /control/messages': (response, body, query) => report(response, 200, service.messagesTo(query.get('token'))),
	'GET /control/latency': (response) => report(response, 200, service.latencies),
	'GET /control/tally': (response) => report(response, 200, service.tallies()),
	'POST /control/release': release,
};

function control(request, response)
{
	const [path, query] = request.url.split('?');
	const action = controls[`${request.method} ${path}`];
	readBody(request, (body) =>
	{
		if (action)
			action(response, body.toString(), new URLSearchParams(query));
		else
			report(response, 404, { error: `there is no ${request.method} ${request.url}` });
	});
}

function handle(request, response)
{
	const [, name] = request.url.match(/^(?:\/--\/api\/v2)?\/push\/(send|getReceipts)$/) ?? [];
	if (name && request.method === 'POST')
		receive(endpoints[name], request, response);
	else
		control(request, response);
}

function main()
{
	const { values: options } = parseArgs({
		options: {
			'port': { type: 'string', default: '0' },
			'host': { type: 'string', default: '127.0.0.1' },
			'no-stdin': { type: 'boolean', default: false },
		},
	});
	run(handle, options);
}

main();
