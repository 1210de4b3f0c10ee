'use strict';

/*
 * The rules of the fake NAPS (naps.js): what it answers to each call, the session
 * tokens, the saved cards, and the end of its day.  Business errors are HTTP 200 with
 * a statuscode; which one, and the texts, are known in part only: 15, 16, 17, 96 and
 * those of status are, all refusals that are not are 17 here.
 */

const { createHash, randomBytes } = require('node:crypto');
const { setTimeout: sleep } = require('node:timers/promises');
const { Books, Charge, centimes, decimal } = require('./naps-books.js');
const { Faults } = require('./naps-faults.js');

const least = 500;
const pans = {
	visa: '4111111111111111',
	mastercard: '5555555555554444',
	amex: '378282246310005',
	diners: '30569309025904',
	discover: '6011111111111117',
	jcb: '3530111333300000',
	cmi: '5058230000000003',
};
const answers = {
	approved: ['00', 'Paid'],
	preauthorized: ['00', 'Prepaid'],
	declined: ['01', 'Declinded'],
	captured: ['02', 'Captured'],
	settled: ['03', 'Settled'],
	reversed: ['04', 'Canceled'],
	unknown: ['06', 'Uknown'],
	refunded: ['07', 'Refunded'],
	refund_declined: ['08', 'Refund_Declined'],
};

function md5(text)
{
	return createHash('md5').update(text).digest('hex');
}

function isText(value)
{
	return typeof value === 'string' && value !== '';
}

// The first six and the last four digits.
function masked(pan)
{
	return `${pan.slice(0, 6)}${'*'.repeat(pan.length - 10)}${pan.slice(-4)}`;
}

function isPan(pan)
{
	if (!/^\d{12,19}$/.test(pan))
		return false;
	const digits = [...pan].reverse().map(Number);
	const doubled = digits.map((digit, at) => at % 2 === 0 ? digit : digit * 2 - (digit > 4 ? 9 : 0));
	return doubled.reduce((total, digit) => total + digit, 0) % 10 === 0;
}

// YYMM, and not in the past.
function isExpiry(text)
{
	const [, year, month] = String(text).match(/^(\d\d)(0[1-9]|1[0-2])$/) ?? [];
	return year !== undefined && new Date(2000 + Number(year), Number(month), 1) > new Date();
}

// "20260131" and "235959", as dates go in the answers; empty if there is none.
function dateAndTime(prefix, at)
{
	const text = at === undefined ? '' : new Date(at).toISOString().replace(/[-:T]/g, '');
	return { [`${prefix}date`]: text.slice(0, 8), [`${prefix}time`]: text.slice(8, 14) };
}

// Part of most answers are these members of the request.
function answer({ orderid, amount, merchantid }, statuscode, status, more)
{
	return { body: { statuscode, status, orderid, amount, merchantid, ...more } };
}

class Gateway
{
	constructor()
	{
		this.forget();
	}

	forget()
	{
		this.faults = new Faults();
		this.books = new Books();
		this.tokens = new Map();
		this.demands = new Map();
		this.cards = new Map();
		this.lastNumber = 0;
		this.macMismatches = 0;
		this.headersMissing = 0;
		this.keysRefused = 0;
		this.malformed = 0;
		this.tokensRefused = 0;
		this.tokensIssued = 0;
		this.orderidsAgain = 0;
	}

	get options()
	{
		return this.faults.options;
	}

	get chance()
	{
		return this.faults.chance;
	}

	// What the call is answered, in the mode that befalls it; base is the URL of the fake itself.
	async perform(call, text, headers, { mode, base })
	{
		const refused = this.refuseHeaders(headers);
		if (refused)
			return refused;
		const value = this.read(text);
		if (call === 'createtocken24')
			return this.createtocken24(value);
		if (value === undefined)
		{
			this.malformed++;
			return { body: { statuscode: '17', status: 'malformed json' } };
		}
		const outcome = this.refuseCall(call, value, mode) ?? await this[call](value, { mode, base });
		return mode === 'card_echoed' ? this.withCard(outcome) : outcome;
	}

	// What no gateway should do: the card stands in its answer, as members and in the text.
	withCard(outcome)
	{
		const { echo_pan: pan, echo_cvv: cvv } = this.options;
		const { status } = outcome.body;
		const text = `${status}, card ${pan} / ${pan.replace(/(.{4})(?=.)/g, '$1 ')}`;
		return { ...outcome, body: { ...outcome.body, status: text, cardnumber: pan, cvv, holdername: `H ${pan}`, authstatus: pan } };
	}

	// An object, or nothing.
	read(text)
	{
		try
		{
			const value = JSON.parse(text);
			return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
		}
		catch
		{
			return undefined;
		}
	}

	refuseHeaders(headers)
	{
		const { api_key: key } = this.options;
		if (!headers['x-api-key'] || (key !== null && headers['x-api-key'] !== key))
		{
			this.keysRefused++;
			return { status: 401, body: { statuscode: '17', error_code: '17', status: 'Invalid API key' } };
		}
		if (headers['x-product'] !== 'MXPLUS' || headers['x-version'] !== '1.0' || headers['user-agent'] !== 'NAPS')
		{
			this.headersMissing++;
			return { status: 400, body: { statuscode: '17', error_code: '17', status: 'Invalid headers' } };
		}
		return undefined;
	}

	// The real one only looks whether there is a MAC: there is no secret in it.
	isMacRefused(mac, text)
	{
		if (mac === md5(text))
			return false;
		this.macMismatches++;
		return this.options.strict_mac || !isText(mac);
	}

	// What all calls with a session token have in common.
	refuseCall(call, value, mode)
	{
		const { merchantid, orderid, amount, securtoken24: token, mac_value: mac } = value;
		const aboutCards = call === 'cardtoken' || call === 'deleteCardtoken';
		if (mode === 'token_expired')
			this.tokens.delete(token);
		if (!(this.tokens.get(token) > Date.now()))
		{
			this.tokensRefused++;
			return answer(value, '17', 'Invalid or expired securtoken24');
		}
		if (this.isMacRefused(mac, aboutCards ? `${merchantid}0` : `${orderid}${amount}`))
			return answer(value, '17', 'Invalid mac_value');
		if (!isText(merchantid))
			return answer(value, '17', 'Invalid merchantid');
		if (this.options.merchantid !== null && merchantid !== this.options.merchantid)
			return answer(value, '15', 'Merchant misconfigured');
		if (!aboutCards && !isText(orderid))
			return answer(value, '17', 'Invalid orderid');
		return undefined;
	}

	createtocken24(value)
	{
		const names = ['institution_id', 'cx_user', 'cx_password', 'cx_reason', 'mac_value'];
		const refused = (text) => ({ body: { error_code: '17', error_msg: text } });
		if (!names.every((name) => typeof value?.[name] === 'string'))
		{
			this.malformed++;
			return refused('malformed json');
		}
		if (this.isMacRefused(value.mac_value, `${value.institution_id}${value.cx_user}`))
			return refused('Invalid mac_value');
		if (names.slice(0, 3).some((name) => (this.options[name] ?? value[name]) !== value[name]))
			return refused('Invalid credentials');
		const lifetime = this.options.token_lifetime_ms;
		const claims = { user: value.cx_user, exp: Math.floor((Date.now() + lifetime) / 1000) };
		const parts = [JSON.stringify({ alg: 'HS256', typ: 'JWT' }), JSON.stringify(claims), randomBytes(32)];
		const token = parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
		this.tokens.set(token, Date.now() + lifetime);
		this.tokensIssued++;
		return { body: { securtoken_24: token, error_code: '00', error_msg: 'Approved' } };
	}

	// What a link and an authorization have in common; 'P' is a pre-authorization.
	mistakeInSale({ amount, currency, transactiontype })
	{
		const sum = typeof amount === 'string' ? centimes(amount) : undefined;
		if (sum === undefined || sum < least)
			return 'Invalid amount';
		if (currency !== '504')
			return 'Invalid currency';
		return transactiontype === '0' || transactiontype === 'P' ? undefined : 'Invalid transactiontype';
	}

	// A look-up and an insertion with time between them, and no unique constraint: two
	// requests at the same time both insert.
	async insert(kind, value)
	{
		await sleep(this.options.insert_ms);
		const order = this.books.open(value.orderid);
		return this.addDemand(order, kind, value, centimes(value.amount));
	}

	addDemand(order, kind, value, amount)
	{
		const { merchantid, callbackurl, successURL, failURL, id_client: client, token, transactiontype } = value;
		const id = `${++this.lastNumber}${randomBytes(6).toString('hex')}`;
		const demand = {
			id, kind, order, amount, merchantid, callbackurl, successURL, failURL, client, token,
			preauthorized: transactiontype === 'P', etat: 'INIT', paid: false, blocked: false, busy: false,
		};
		order.demands.push(demand);
		this.demands.set(id, demand);
		return demand;
	}

	// The order that is there already, if any.
	taken({ orderid })
	{
		const order = this.books.find(orderid);
		if (order === undefined || order.demands.length === 0)
			return undefined;
		this.orderidsAgain++;
		return order;
	}

	async linkpayment(value, { base })
	{
		const none = { idDemande: '', url: '' };
		const mistake = this.mistakeInSale(value) ?? ['callbackurl', 'successURL', 'failURL'].map((name) =>
			value[name] === undefined || URL.canParse(value[name]) ? undefined : `Invalid ${name}`).find(Boolean);
		if (mistake)
			return answer(value, '17', mistake, none);
		const taken = this.taken(value);
		if (taken?.charges.length > 0)
			return answer(value, '16', 'Order already paid', none);
		if (taken)
			return answer(value, '17', 'PaiementRequest Already exist', none);
		const demand = await this.insert('link', value);
		demand.url = `${base}/page/${demand.id}`;
		return { ...answer(value, '00', 'Approved', { idDemande: demand.id, url: demand.url }), demand };
	}

	// What is wrong with the card, be it a saved one or not: its number, and the mistake.
	cardOf({ token, cardnumber, expirydate, recurring })
	{
		if (!isText(token))
			return { pan: cardnumber, mistake: isPan(cardnumber) && isExpiry(expirydate) ? undefined : 'Invalid card' };
		if (expirydate !== '' || (recurring !== 'Y' && recurring !== 'N'))
			return { mistake: 'Invalid expirydate or recurring' };
		const card = this.cards.get(token);
		return { pan: card?.pan, mistake: card ? undefined : 'Invalid token' };
	}

	// The statuscode is '00' for a challenge too, and etataut is 'Y' for a refusal too.
	async authorization(value, { mode, base })
	{
		const failed = (code, text) => answer(value, code, text, { etataut: 'N', authnumber: '', paymentid: '' });
		const { pan, mistake = this.mistakeInSale(value) } = this.cardOf(value);
		if (mistake)
			return failed('17', mistake);
		if (this.taken(value))
			return failed('16', 'Order already exists');
		const demand = await this.insert('direct', value);
		const { order } = demand;
		const about = { cardnumber: masked(pan), transactionid: demand.id, paymentid: demand.id, authnumber: '' };
		demand.pan = pan;
		if (mode === 'cvv_wanted')
		{
			order.refusals++;
			return answer(value, '82', 'CVV required', { ...about, etataut: 'N' });
		}
		if (mode === 'card_expired')
		{
			order.refusals++;
			return answer(value, '17', 'token expired', { ...about, etataut: 'N' });
		}
		// it stops after the row of the order
		if (mode === 'row_only')
			return answer(value, '96', 'the Switch is down', { ...about, etataut: 'N' });
		if (mode === 'declined')
		{
			order.refusals++;
			return answer(value, '05', 'Do not honor', { ...about, etataut: 'Y' });
		}
		if (mode === 'challenge')
			return answer(value, '00', 'Challenge', { ...about, ...this.challenge(demand, base), etataut: 'C' });
		const charge = this.charge(demand, demand.amount);
		if (mode === 'code_96' && this.chance.below('authorization reversed', 0.5))
			charge.reversals.push(charge.amount);
		about.authnumber = charge.authnumber;
		return { ...answer(value, '00', 'Approved', { ...about, etataut: 'Y' }), order, tellsNumber: true };
	}

	challenge(demand, base)
	{
		demand.etat = 'SND_TO_ACS';
		demand.url = `${base}/acs/${demand.id}`;
		return { linkacs: demand.url };
	}

	// The switch has approved.
	charge(demand, amount)
	{
		const number = ++this.lastNumber;
		const numbers = { authnumber: String(100_000 + number), transactionid: String(7_000_000 + number) };
		const charge = new Charge(amount, demand.preauthorized, numbers);
		demand.order.charges.push(charge);
		demand.paid = true;
		return charge;
	}

	// The gateway makes the orderid, which is none of ours: not in the books.
	cardtoken(value, { mode, base })
	{
		const failed = (code, text) => answer(value, code, text, { token: '', etataut: 'N' });
		const { cardnumber: pan } = value;
		if (!isPan(pan) || !isExpiry(value.expirydate))
			return failed('17', 'Invalid card');
		if (mode === 'declined')
			return failed('05', 'Do not honor');
		if (mode === 'challenge')
		{
			const demand = this.addDemand({ demands: [], pays: [], refusals: 0 }, 'token', value, 1000);
			demand.pan = pan;
			return answer(value, '00', 'Challenge',
				{ token: '', cardnumber: masked(pan), ...this.challenge(demand, base), etataut: 'C' });
		}
		return answer(value, '00', 'Approved',
			{ token: this.saveCard(value.id_client ?? '', pan, true), cardnumber: masked(pan), etataut: 'Y' });
	}

	deleteCardtoken(value)
	{
		return this.cards.delete(value.token) ? answer(value, '00', 'Approved') : answer(value, '17', 'Invalid token');
	}

	// The token, empty if that client has saved that card already; "again" gives another one then.
	saveCard(client, pan, again = false)
	{
		const isSame = (card) => card.client === client && card.pan === pan;
		if (!again && [...this.cards.values()].some(isSame))
			return '';
		const time = new Date().toISOString().replace(/\D/g, '').slice(2, 14);
		let token;
		do
			token = `${time}${randomBytes(2).toString('hex').toUpperCase()}`;
		while (this.cards.has(token));
		this.cards.set(token, { client, pan });
		return token;
	}

	// What an inquiry with that authnumber is answered if nothing goes wrong.
	statusOf(order, authnumber)
	{
		if (order === undefined || order.demands.length === 0 || order.broken || order.withheld)
			return answers.unknown;
		const charge = order.visible;
		if (charge === undefined && order.refusals > 0)
			return order.flaggedA ? answers.reversed : answers.declined;
		if (charge === undefined)
			return ['01', `Declinded : ${order.demand.etat}`];
		return charge.captured > 0 && authnumber !== charge.authnumber ? answers.unknown : answers[charge.state];
	}

	// Withheld is what has never been told.  The numbers are echoes, and neither orderid nor amount is in it.
	status(value, { mode })
	{
		const { orderid, authnumber, transactionid = '', merchantid } = value;
		if (typeof authnumber !== 'string')
			return { body: { statuscode: '17', status: 'Invalid authnumber' } };
		const order = this.books.find(orderid);
		if (mode === 'status_withheld' && order?.demands.length > 0 && order.asked === 0)
			order.withheld = true;
		if (order)
			order.asked++;
		const [statuscode, text] = mode === 'status_06' ? answers.unknown :
			mode === 'status_denied' ? answers.declined : this.statusOf(order, authnumber);
		const charge = ['00', '02', '03', '04', '07', '08'].includes(statuscode) ? order.visible : undefined;
		const body = {
			status: text,
			statuscode,
			authstatuscode: charge ? '00' : statuscode === '01' && order.refusals > 0 ? '05' : '',
			authstatus: charge ? 'Approved' : '',
			...dateAndTime('transaction', charge?.at),
			...dateAndTime('auth', charge?.at),
			...dateAndTime('capture', charge?.capturedAt),
			settlementdate: '',
			settlementtime: '',
			authnumber,
			transactionid,
			merchantid,
		};
		return { body, order: charge ? order : undefined };
	}

	// The charge that a request is about, or why there is none.
	lookUp({ orderid, authnumber, amount })
	{
		const charge = this.books.find(orderid)?.visible;
		const sum = typeof amount === 'string' ? centimes(amount) : undefined;
		if (charge === undefined)
			return { mistake: 'Transaction not found' };
		if (typeof authnumber !== 'string' || (authnumber !== '' && authnumber !== charge.authnumber))
			return { mistake: 'Invalid authnumber' };
		return sum > 0 ? { charge, sum } : { mistake: 'Invalid amount' };
	}

	reversal(value)
	{
		const { charge, sum, mistake } = this.lookUp(value);
		if (mistake)
			return answer(value, '17', mistake);
		if (charge.captured > 0)
			return answer(value, '17', 'Transaction already captured');
		if (charge.left <= 0)
			return answer(value, '17', 'Transaction already canceled');
		if (sum > charge.left)
			return answer(value, '17', 'Invalid amount');
		charge.reversals.push(sum);
		return { ...answer(value, '00', 'Reversal approved', { authnumber: charge.authnumber }), reversed: true };
	}

	// Each one is a further refund.  That all together are not too much is not checked for the first one.
	refund(value)
	{
		const { charge, sum, mistake } = this.lookUp(value);
		if (mistake)
			return answer(value, '17', mistake);
		if (charge.left <= 0)
			return answer(value, '17', 'Transaction canceled');
		if (charge.captured === 0)
			return answer(value, '17', 'Transaction not captured');
		if (sum + charge.refundedAsChecked > charge.captured)
			return answer(value, '17', 'Invalid amount');
		const refund = { amount: sum, at: Date.now(), state: 'queued', told: false };
		charge.refunds.push(refund);
		return { ...answer(value, '00', 'Refunded offline', { authnumber: charge.authnumber }), refund };
	}

	// All that is left, or nothing.
	captureOf(value, preauthorized)
	{
		const { charge, sum, mistake } = this.lookUp(value);
		if (mistake)
			return answer(value, '17', mistake);
		if (charge.captured > 0)
			return answer(value, '17', 'Transaction already captured');
		if (charge.left <= 0)
			return answer(value, '17', 'Transaction canceled');
		if (charge.preauthorized !== preauthorized)
			return answer(value, '17', preauthorized ? 'Transaction not prepaid' : 'Transaction not completed');
		if (sum !== charge.left)
			return answer(value, '17', 'Invalid amount');
		charge.capture();
		return answer(value, '00', 'Captured', { authnumber: charge.authnumber });
	}

	capture(value)
	{
		return this.captureOf(value, false);
	}

	cpautorisation(value)
	{
		return this.captureOf(value, true);
	}

	// The client was told the truth; a customer has the link then (naps-page.js).
	told({ order, refund, demand, tellsNumber = false })
	{
		if (demand)
			this.onLink?.(demand);
		if (refund)
			refund.told = true;
		if (order)
		{
			order.approvalTold = true;
			order.numberTold ||= tellsNumber;
		}
	}

	// The client does not know what became of its call.  Most can be inquired, these cannot; status
	// is 00 before and after a partial reversal, and a refund that did not happen may be one that waits.
	lost(call, { orderid, amount } = {}, { refund, reversed = false } = {})
	{
		if (!isText(orderid))
			return;
		if (call === 'authorization')
			this.books.open(orderid).neverArrived = true;
		const order = this.books.find(orderid);
		const charge = order?.charge;
		if (call === 'refund' && charge?.refunds.length > (refund ? 1 : 0))
			order.reasons.add('answer to a further refund lost');
		else if (call === 'refund' && charge && !refund)
			order.reasons.add('nothing tells that a refund did not happen');
		else if (call === 'refund' && charge)
			order.refundLost = true;
		else if (call === 'reversal' && charge && (reversed ? charge.left > 0 : centimes(amount) < charge.left))
			order.reasons.add('answer to a partial reversal lost');
		else if (call === 'reversal' && charge)
			order.reversalLost = true;
		else if ((call === 'capture' || call === 'cpautorisation') && charge)
			order.captureLost = true;
	}

	// Those that are asked for, or all.
	chargesOf(orderid)
	{
		const orders = orderid === undefined ? [...this.books.orders.values()] : [this.books.find(orderid)];
		return orders.flatMap((order) => order?.charges ?? []);
	}

	// The telecollecte at the end of the day.
	captureDay(orderid)
	{
		const due = this.chargesOf(orderid).filter(({ captured, left, preauthorized, hidden }) =>
			captured === 0 && left > 0 && !preauthorized && !hidden);
		due.forEach((charge) => charge.capture());
		return due.length;
	}

	// What is captured is paid out, and the refunds are cleared, or declined by the switch.
	settleDay(orderid)
	{
		const charges = this.chargesOf(orderid);
		const due = charges.filter(({ captured, settledAt }) => captured > 0 && settledAt === undefined);
		const queued = charges.flatMap(({ refunds }) => refunds).filter(({ state }) => state === 'queued');
		due.forEach((charge) => charge.settledAt = Date.now());
		for (const refund of queued)
			refund.state = this.faults.all('settle').has('refund_declined') ? 'declined' : 'settled';
		return { settled: due.length, refunds: queued.length };
	}

	summary()
	{
		const { macMismatches, headersMissing, keysRefused, malformed, tokensIssued, tokensRefused } = this;
		return {
			macMismatches, headersMissing, keysRefused, malformed, tokensIssued, tokensRefused,
			orderidsAgain: this.orderidsAgain,
			cards: this.cards.size,
			...this.books.summary(),
			faults: this.faults.struck,
			scripts: this.faults.scripts,
		};
	}
}

module.exports = { Gateway, centimes, decimal, isPan, masked, md5, pans };
