'use strict';

/*
 * What goes wrong at the fake NAPS (naps.js), and when: by the probability of each
 * fault, drawn from a seed, or by a script; and the options of the gateway.
 */

const peer = require('./modes.js');

const json = { 'content-type': 'application/json' };
const links = ['linkpayment'];
const switched = ['authorization', 'cpautorisation', 'capture', 'refund', 'reversal', 'cardtoken'];
const calls = ['createtocken24', ...links, ...switched, 'status', 'deleteCardtoken'];
const withToken = calls.filter((call) => call !== 'createtocken24');
const challenged = ['authorization', 'cardtoken'];
const outcomes = ['approve', 'decline', 'switch_timeout', 'abandon', 'challenge_failed', 'risk_refused'];

// Sends what the gateway decided.
function tell(response, { status = 200, body })
{
	peer.reply(response, status, json, JSON.stringify(body));
}

function borrowed(translate)
{
	return (response, step) => peer.answer(translate(step), response);
}

// What is to be done later is not done if the client has left by then.
function later(response, milliseconds, action)
{
	const timer = setTimeout(action, milliseconds);
	response.on('close', () => clearTimeout(timer));
}

// Never answered, and broken off when nobody would wait any longer.
function hang(response, step, outcome, { hang_ms: most })
{
	later(response, most, () => response.destroy());
}

function slow(response, { ms }, outcome, { slow_ms: usual })
{
	later(response, ms ?? usual, () => tell(response, outcome));
}

function answer96(response, step)
{
	tell(response, { body: { statuscode: '96', status: `${step.call} failed, the Switch is down`, etataut: 'N' } });
}

// The peer keeps the response, release finds in it what to do.
function hold(response, step, outcome)
{
	response.outcome = outcome;
	peer.answer({ mode: 'hold' }, response);
}

const plain = (response, step, outcome) => tell(response, outcome);
const page502 = borrowed(() => ({ mode: 'html' }));
const reset = borrowed(() => ({ mode: 'reset' }));

/*
 * effect: whether the gateway does its work all the same; "drawn" leaves that to chance.
 * truthful: whether the client is told what the gateway decided, which for some modes
 * it does by the mode's name.  What befalls the page (naps-page.js) has no answer.
 */
const modes = {
	ok: { calls: [...calls, 'pay', 'settle'], effect: true, truthful: true, answer: plain },
	slow: { calls, effect: true, truthful: true, answer: slow },
	hold: { calls, effect: true, truthful: true, answer: hold, scriptOnly: true },
	http_503: { calls, effect: false, answer: borrowed(() => ({ mode: 'status', status: 503 })) },
	html_502: { calls, effect: 'drawn', answer: page502 },
	not_json: { calls, effect: 'drawn', answer: borrowed(() => ({ mode: 'wrong_json' })) },
	reset_before: { calls, effect: false, answer: reset },
	reset_after: { calls, effect: true, answer: reset },
	answer_lost: { calls, effect: true, answer: reset },
	refund_answer_lost: { calls: ['refund'], effect: true, answer: reset },
	timeout_before: { calls, effect: false, answer: hang },
	timeout_after: { calls, effect: true, answer: hang },
	code_96: { calls: switched, effect: 'drawn', answer: answer96 },
	token_expired: { calls: withToken, effect: true, truthful: true, answer: plain },
	status_06: { calls: ['status'], effect: true, truthful: true, answer: plain },
	status_denied: { calls: ['status'], effect: true, truthful: true, answer: plain, scriptOnly: true },
	status_withheld: { calls: ['status'], effect: true, truthful: true, answer: plain },
	declined: { calls: challenged, effect: true, truthful: true, answer: plain },
	challenge: { calls: challenged, effect: true, truthful: true, answer: plain },
	card_echoed: { calls: [...links, 'authorization', 'reversal', 'refund', 'capture', 'status', 'deleteCardtoken', 'pay'],
		effect: true, truthful: true, answer: plain },
	cvv_wanted: { calls: ['authorization'], effect: true, truthful: true, answer: plain },
	card_expired: { calls: ['authorization'], effect: true, truthful: true, answer: plain },
	row_only: { calls: ['authorization'], effect: true, answer: reset, scriptOnly: true },
	callback_thrice: { calls: ['pay'] },
	callback_lost: { calls: ['pay'] },
	callback_before_page: { calls: ['pay'] },
	callback_json: { calls: ['pay'] },
	sw_ko: { calls: ['pay'] },
	declined_then_approved: { calls: ['pay'] },
	declined_as_04: { calls: ['pay'] },
	declined_without_row: { calls: ['pay'] },
	reversal_fails: { calls: ['pay'] },
	refund_declined: { calls: ['settle'] },
};

const defaults = {
	api_key: null,
	institution_id: null,
	cx_user: null,
	cx_password: null,
	merchantid: null,
	cle_pub: 'the public key of a test merchant',
	strict_mac: true,
	token_lifetime_ms: 24 * 60 * 60 * 1000,
	callback_interval_ms: 10_000,
	callback_timeout_ms: 30_000,
	callback_format: 'form',
	hang_ms: 60_000,
	slow_ms: 500,
	gap_ms: 200,
	late_ms: 200,
	insert_ms: 2,
	reverse_ms: 0,
	record: false,
	auto: null,
	echo_pan: null,
	echo_cvv: null,
};

const isBoolean = (value) => typeof value === 'boolean';
const isDuration = (value) => Number.isFinite(value) && value >= 0 && value < 2 ** 31;
const isText = (value) => value === null || typeof value === 'string';

// A fault is a mode, at all calls that know it, or "CALL.MODE".
function isFault(name, probability)
{
	const [mode, call] = name.split('.').reverse();
	return Object.hasOwn(modes, mode) && mode !== 'ok' && !modes[mode].scriptOnly &&
		(call === undefined || modes[mode].calls.includes(call)) && probability >= 0 && probability <= 1;
}

function areFaults(value)
{
	return typeof value === 'object' && value !== null && !Array.isArray(value) &&
		Object.entries(value).every(([name, probability]) => isFault(name, probability));
}

// Outcomes with their shares, which make a whole, and from when to when after the link.
function isAuto(value)
{
	if (value === null)
		return true;
	if (typeof value !== 'object' || Array.isArray(value))
		return false;
	const { after_ms: after = [0, 0], ...shares } = value;
	const isTime = Array.isArray(after) && after.length === 2 && after.every(isDuration) && after[0] <= after[1];
	const areShares = Object.entries(shares).every(([name, share]) =>
		outcomes.includes(name) && Number.isFinite(share) && share >= 0);
	const total = Object.values(shares).reduce((sum, share) => sum + share, 0);
	return isTime && areShares && Math.abs(total - 1) < 1e-9;
}

const members = {
	call: (value) => [...calls, 'pay', 'settle'].includes(value),
	mode: (value) => Object.hasOwn(modes, value),
	times: (value) => Number.isInteger(value) && value >= 0,
	effect: isBoolean,
	ms: isDuration,
	seed: Number.isSafeInteger,
	faults: areFaults,
	api_key: isText,
	institution_id: isText,
	cx_user: isText,
	cx_password: isText,
	merchantid: isText,
	cle_pub: (value) => typeof value === 'string',
	strict_mac: isBoolean,
	token_lifetime_ms: (value) => Number.isFinite(value) && value >= 0,
	callback_interval_ms: isDuration,
	callback_timeout_ms: isDuration,
	callback_format: (value) => value === 'form' || value === 'json',
	hang_ms: isDuration,
	slow_ms: isDuration,
	gap_ms: isDuration,
	late_ms: isDuration,
	insert_ms: isDuration,
	reverse_ms: isDuration,
	record: isBoolean,
	auto: isAuto,
	echo_pan: isText,
	echo_cvv: isText,
};

// A step that has but options is no step.
function isStep({ mode, call, times })
{
	return mode !== undefined || call !== undefined || times !== undefined;
}

// Why a step cannot be taken; nothing if it can.
function refusal(step)
{
	if (typeof step !== 'object' || step === null || Array.isArray(step))
		return 'a step is an object';
	for (const [name, value] of Object.entries(step))
	{
		if (!Object.hasOwn(members, name))
			return `a step has no "${name}"`;
		if (!members[name](value))
			return `"${name}" cannot be ${JSON.stringify(value)}`;
	}
	if (isStep(step) && !(step.call && step.mode))
		return 'a step needs a "call" and a "mode"';
	if (isStep(step) && !modes[step.mode].calls.includes(step.call))
		return `${step.call} does not know ${step.mode}`;
	return undefined;
}

// FNV-1a, so that each stream has a beginning of its own.
function hashOf(text)
{
	let hash = 0x811c9dc5;
	for (let at = 0; at < text.length; at++)
		hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
	return hash;
}

// Streams of numbers from 0 to 1 (mulberry32), one for each name: how often status is
// asked for shall not change what befalls the refunds.
class Chance
{
	constructor(seed)
	{
		this.seed = seed;
		this.streams = new Map();
	}

	draw(stream)
	{
		const state = ((this.streams.get(stream) ?? hashOf(`${this.seed} ${stream}`)) + 0x6d2b79f5) | 0;
		this.streams.set(stream, state);
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	}

	below(stream, probability)
	{
		return this.draw(stream) < probability;
	}

	pick(stream, choices)
	{
		return choices[Math.floor(this.draw(stream) * choices.length)];
	}
}

class Faults
{
	constructor()
	{
		this.options = { ...defaults };
		this.chance = new Chance(1);
		this.probabilities = {};
		this.scripts = {};
		this.struck = {};
	}

	// What a step says nothing of stays as it is, but for the scripts.
	set(steps)
	{
		this.scripts = {};
		for (const step of steps)
		{
			if (step.seed !== undefined)
				this.chance = new Chance(step.seed);
			if (step.faults !== undefined)
				this.probabilities = step.faults;
			for (const [name, value] of Object.entries(step))
			{
				if (Object.hasOwn(defaults, name))
					this.options[name] = value;
			}
			if (isStep(step) && step.times !== 0)
				(this.scripts[step.call] ??= []).push({ ...step });
		}
	}

	// A step that has been taken for the last time is dropped.
	scripted(call)
	{
		const step = this.scripts[call]?.[0];
		if (step?.times !== undefined && --step.times === 0)
			this.scripts[call].shift();
		return step;
	}

	// One of the call itself goes before one of all calls.  Each has its own stream.
	drawn(call)
	{
		return Object.keys(modes).filter((mode) =>
		{
			const probability = modes[mode].calls.includes(call)
				? this.probabilities[`${call}.${mode}`] ?? this.probabilities[mode] ?? 0 : 0;
			return probability > 0 && this.chance.below(`${call}.${mode}`, probability);
		});
	}

	count(call, mode)
	{
		if (mode === 'ok')
			return;
		const name = `${call}.${mode}`;
		this.struck[name] = (this.struck[name] ?? 0) + 1;
	}

	// What befalls a call: one fault only, of those that struck.
	next(call)
	{
		const scripted = this.scripted(call);
		const mode = scripted?.mode ?? this.chance.pick(`${call} which`, this.drawn(call)) ?? 'ok';
		const { effect, truthful = false } = modes[mode];
		this.count(call, mode);
		return {
			...scripted, call, mode, truthful,
			effect: scripted?.effect ?? (effect === 'drawn' ? this.chance.below(`${call} effect`, 0.5) : effect),
		};
	}

	// All that befalls a payment on the page or a settlement, where faults go together.
	all(call, forced)
	{
		const scripted = forced ? undefined : this.scripted(call);
		const struck = forced ?? (scripted ? [scripted.mode] : this.drawn(call));
		struck.forEach((mode) => this.count(call, mode));
		return new Set(struck);
	}

	answer(step, response, outcome)
	{
		modes[step.mode].answer(response, step, outcome, this.options);
	}
}

// Whether it is a fault of that call.
function knows(call, mode)
{
	return Object.hasOwn(modes, mode) && modes[mode].calls.includes(call);
}

module.exports = { Faults, calls, knows, outcomes, refusal, tell };
