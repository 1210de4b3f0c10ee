'use strict';

/*
 * What the fake peer (peer.js) knows of one name under /hook/: what came, and the
 * script of what is to be done with what comes next.
 */

const second = 1000;

// The greatest number of arrivals within any one second, without keeping them all.
class Peak
{
	constructor()
	{
		this.arrivals = [];
		this.oldest = 0;
		this.greatest = 0;
	}

	// Arrivals that are a second old have left the window.
	add(at)
	{
		this.arrivals.push(at);
		while (this.arrivals[this.oldest] <= at - second)
			this.oldest++;
		this.greatest = Math.max(this.greatest, this.arrivals.length - this.oldest);
		this.shrink();
	}

	// Rarely, as it moves all that is left.
	shrink()
	{
		if (this.oldest < 10_000)
			return;
		this.arrivals.splice(0, this.oldest);
		this.oldest = 0;
	}
}

class Hook
{
	constructor()
	{
		this.open = 0;
		this.held = new Set();
		this.forget();
	}

	// What is open or held is not forgotten: it is still there.
	forget()
	{
		this.script = [];
		this.record = false;
		this.latency = false;
		this.requests = 0;
		this.answered = 0;
		this.doubled = 0;
		this.connections = 0;
		this.sockets = new WeakSet();
		this.timesById = new Map();
		this.recorded = [];
		this.latencies = [];
		this.peak = new Peak();
	}

	// All there is to do for most requests.
	arrived(request)
	{
		this.open++;
		this.requests++;
		if (!this.sockets.has(request.socket))
		{
			this.sockets.add(request.socket);
			this.connections++;
		}
		this.countId(request.headers['webhook-id']);
	}

	// A request without an id doubles no other.
	countId(id)
	{
		if (id === undefined)
			return;
		const times = this.timesById.get(id) ?? 0;
		this.timesById.set(id, times + 1);
		if (times > 0)
			this.doubled++;
	}

	// A response can also close because the client left, or was thrown out.
	departed(answered)
	{
		this.open--;
		if (answered)
			this.answered++;
	}

	// Whether there is nothing to do but to count.
	isPlain()
	{
		return this.script.length === 0 && !this.record && !this.latency;
	}

	// The switches outlast the script, for a later script shall not lose the record.
	setScript(steps)
	{
		this.script = steps.filter((step) => step.times !== 0);
		for (const step of steps)
		{
			this.record = step.record ?? this.record;
			this.latency = step.latency ?? this.latency;
		}
	}

	// A step that has been taken for the last time is dropped.
	nextStep()
	{
		const step = this.script[0];
		if (step === undefined)
			return { mode: 'ok' };
		if (step.times !== undefined && --step.times === 0)
			this.script.shift();
		return step;
	}

	// The request is put down now, so that one that breaks off is in the record too.
	observe(request)
	{
		if (!this.record && !this.latency)
			return undefined;
		const at = performance.timeOrigin + performance.now();
		const { method, headers } = request;
		const observed = {
			id: headers['webhook-id'], timestamp: headers['webhook-timestamp'], signature: headers['webhook-signature'],
			method, headers, body: '', at,
		};
		this.peak.add(at);
		if (this.record)
			this.recorded.push(observed);
		return observed;
	}

	// The body completes what observe put down.
	bodyCame(observed, body)
	{
		observed.body = body;
		if (this.latency)
			this.measure(observed);
	}

	// Bodies that are not ours have no sentAt, which is no reason to fail.
	measure({ body, at })
	{
		let sentAt;
		try
		{
			sentAt = JSON.parse(body).data.sentAt;
		}
		catch
		{
			return;
		}
		if (typeof sentAt === 'number')
			this.latencies.push(at - sentAt);
	}

	// doubled: how often an id came that had come before.  open: not answered yet.
	summary()
	{
		return {
			requests: this.requests,
			distinct: this.timesById.size,
			doubled: this.doubled,
			open: this.open,
			connections: this.connections,
			answered: this.answered,
			peakPerSecond: this.peak.greatest,
			modes: this.script,
		};
	}
}

module.exports = { Hook };
