'use strict';

/*
 * The books of the fake NAPS (naps.js): what became of each orderid, in integer
 * centimes, and of which the client could not learn the truth.
 */

// "120", "120.00" and "120,00" in centimes; nothing for what is no amount.
function centimes(text)
{
	const [, dirhams, cents = ''] = String(text).match(/^(\d{1,9})(?:[.,](\d{1,2}))?$/) ?? [];
	return dirhams === undefined ? undefined : Number(dirhams) * 100 + Number(cents.padEnd(2, '0'));
}

// Always with two digits after the dot.
function decimal(amount)
{
	const digits = String(Math.abs(amount)).padStart(3, '0');
	return `${amount < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

function sum(amounts)
{
	return amounts.reduce((total, amount) => total + amount, 0);
}

// What one approval became.  Refunds are queued, settled or declined.
class Charge
{
	constructor(amount, preauthorized, numbers)
	{
		Object.assign(this, { amount, preauthorized, ...numbers });
		this.at = Date.now();
		this.hidden = false;
		this.reversals = [];
		this.captured = 0;
		this.capturedAt = undefined;
		this.settledAt = undefined;
		this.refunds = [];
	}

	get reversed()
	{
		return sum(this.reversals);
	}

	get left()
	{
		return this.amount - this.reversed;
	}

	get refunded()
	{
		return sum(this.refunds.filter(({ state }) => state !== 'declined').map(({ amount }) => amount));
	}

	get net()
	{
		return this.left - this.refunded;
	}

	// As if the first refund had never been: the gateway's check cannot be relied on for it.
	get refundedAsChecked()
	{
		return sum(this.refunds.slice(1).filter(({ state }) => state !== 'declined').map(({ amount }) => amount));
	}

	get state()
	{
		if (this.refunds.length > 0)
			return this.refunds.at(-1).state === 'declined' ? 'refund_declined' : 'refunded';
		if (this.left <= 0)
			return 'reversed';
		if (this.settledAt !== undefined)
			return 'settled';
		if (this.captured > 0)
			return 'captured';
		return this.preauthorized ? 'preauthorized' : 'approved';
	}

	capture()
	{
		this.captured = this.left;
		this.capturedAt = Date.now();
	}
}

// demands: links, and authorizations without one.  pays: what customers did, see naps-page.js.
class Order
{
	constructor(orderid)
	{
		this.orderid = orderid;
		this.demands = [];
		this.charges = [];
		this.refusals = 0;
		this.pays = [];
		this.asked = 0;
		this.withheld = false;
		this.flaggedA = false;
		this.koForGood = false;
		this.neverArrived = false;
		this.approvalTold = false;
		this.numberTold = false;
		this.captureLost = false;
		this.refundLost = false;
		this.reasons = new Set();
	}

	// Two requests at the same time made two demands, and no look-up finds "the" one any more.
	get broken()
	{
		return this.demands.length > 1;
	}

	get demand()
	{
		return this.demands.at(-1);
	}

	get charge()
	{
		return this.charges.at(-1);
	}

	// The charge that look-ups find.
	get visible()
	{
		return this.broken || this.charge?.hidden ? undefined : this.charge;
	}

	get state()
	{
		if (this.broken)
			return 'broken';
		if (this.charge)
			return this.charge.state;
		if (this.demand === undefined)
			return 'none';
		return this.refusals > 0 || this.demand.etat === 'SW_REJET' ? 'declined' : this.demand.etat;
	}

	// Why no inquiry can tell the client what became of it; none if one can.
	get withheldBy()
	{
		const reasons = [...this.reasons];
		if (this.withheld)
			reasons.push(this.numberTold ? 'status withheld, but told by callback or answer' : 'status withheld');
		if (this.broken)
			reasons.push('submitted twice at the same time');
		if (this.neverArrived && this.demands.length === 0)
			reasons.push('the authorization never arrived');
		if (this.koForGood && this.charges.length === 0 && this.refusals === 0)
			reasons.push('SW_KO for good');
		if (this.charge?.captured > 0 && !this.numberTold)
			reasons.push(...this.lostByCapture());
		return reasons;
	}

	// Once captured, who does not know numAuto learns nothing any more.
	lostByCapture()
	{
		const reasons = [];
		if (!this.approvalTold)
			reasons.push('captured before the approval was told');
		if (this.captureLost)
			reasons.push('answer to capture lost, numAuto never told');
		if (this.reversalLost)
			reasons.push('answer to reversal lost, numAuto never told');
		if (this.refundLost)
			reasons.push('answer to refund lost, numAuto never told');
		return reasons;
	}

	// Money as decimal text.
	row()
	{
		const { orderid, charges, demands, withheldBy } = this;
		const refunds = charges.flatMap((charge) => charge.refunds);
		const total = (member) => decimal(sum(charges.map((charge) => charge[member])));
		return {
			orderid,
			amount: demands.length > 0 ? decimal(demands[0].amount) : null,
			state: this.state,
			charged: total('amount'),
			reversed: total('reversed'),
			captured: total('captured'),
			refunded: total('refunded'),
			net: total('net'),
			charges: charges.length,
			refunds: {
				count: refunds.length,
				amounts: refunds.map(({ amount }) => decimal(amount)),
				states: refunds.map(({ state }) => state),
				at: refunds.map(({ at }) => at),
			},
			links: demands.filter(({ kind }) => kind === 'link').length,
			declined: this.refusals,
			authorizations: charges.length + this.refusals,
			truthWithheld: withheldBy.length > 0,
			reason: withheldBy.join('; ') || null,
		};
	}

	// The row, and more of the same in detail.
	detail()
	{
		const { demands, charges, pays, asked } = this;
		return {
			...this.row(),
			statusAsked: asked,
			etats: demands.map(({ etat }) => etat),
			urls: demands.map(({ url }) => url),
			numAutos: charges.map(({ authnumber }) => authnumber),
			refundsTold: charges.flatMap(({ refunds }) => refunds.map(({ told }) => told)),
			pays,
		};
	}
}

class Books
{
	constructor()
	{
		this.orders = new Map();
	}

	find(orderid)
	{
		return this.orders.get(orderid);
	}

	// An order exists as soon as somebody speaks of it; only with demands it is one of the gateway's.
	open(orderid)
	{
		if (!this.orders.has(orderid))
			this.orders.set(orderid, new Order(orderid));
		return this.orders.get(orderid);
	}

	rows()
	{
		return [...this.orders.values()].map((order) => order.row());
	}

	// By hand, in the portal: what is left and not captured.
	reverseByHand(orderid)
	{
		const due = (this.find(orderid)?.charges ?? []).filter(({ captured, left }) => captured === 0 && left > 0);
		due.forEach((charge) => charge.reversals.push(charge.left));
		return due.length;
	}

	// What was paid out, and taken off, as text; all of it, or of the orders that are told.
	statement({ date, orderids })
	{
		const rows = [];
		for (const { orderid, charges } of this.orders.values())
		{
			if (orderids !== undefined && !orderids.includes(orderid))
				continue;
			for (const charge of charges.filter(({ settledAt }) => settledAt !== undefined))
			{
				const day = date ?? new Date(charge.at).toISOString().slice(0, 10);
				rows.push([day, 'sale', decimal(charge.captured), orderid, charge.authnumber]);
				for (const { amount } of charge.refunds.filter(({ state }) => state === 'settled'))
					rows.push([day, 'refund', decimal(amount), orderid, charge.authnumber]);
			}
		}
		return [['date', 'kind', 'amount', 'orderid', 'numauto'], ...rows].map((row) => `${row.join(';')}\n`).join('');
	}

	summary()
	{
		const orders = [...this.orders.values()];
		const charges = orders.flatMap((order) => order.charges);
		const withheld = orders.map((order) => order.withheldBy).filter(({ length }) => length > 0);
		const withheldBy = {};
		for (const reason of withheld.flat())
			withheldBy[reason] = (withheldBy[reason] ?? 0) + 1;
		const total = (member) => decimal(sum(charges.map((charge) => charge[member])));
		return {
			orders: orders.filter(({ demands }) => demands.length > 0).length,
			broken: orders.filter(({ broken }) => broken).length,
			charges: charges.length,
			chargedTwice: orders.filter((order) => order.charges.length > 1).length,
			charged: total('amount'),
			reversed: total('reversed'),
			captured: total('captured'),
			refunded: total('refunded'),
			net: total('net'),
			refunds: sum(charges.map((charge) => charge.refunds.length)),
			overRefunded: charges.filter(({ net }) => net < 0).length,
			truthWithheld: withheld.length,
			withheldBy,
		};
	}
}

module.exports = { Books, Charge, centimes, decimal };
