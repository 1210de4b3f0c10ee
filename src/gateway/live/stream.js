/*
 * The database's notifications: whether they come, in which order, and what a client that is about
 * to come in must be told of them.
 *
 * The adapter listens on one connection of the pool.  That connection also holds the gateway's lease
 * (rt_gateway_register), so that the database takes this gateway's viewers for gone as soon as it
 * hears nothing more.
 */

import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';

// of the messages between Socket.IO's servers
const BROADCAST = 3, SOCKETS_JOIN = 4, SOCKETS_LEAVE = 5, DISCONNECT_SOCKETS = 6, FETCH_SOCKETS = 7, SERVER_SIDE_EMIT = 9;

export class Stream extends EventEmitter
{
	name = '';					// this gateway's, another one for each connection
	isReady = false;
	#pool;
	#channel;
	#patience;					// ms without a sign of life after which the connection is dead, whatever TCP says
	#log;
	#listener;					// the connection
	#registered = 0;
	#heardAt = Date.now();		// own pings
	#tickAt = Date.now();		// the database's
	#tickInterval = 0;
	#saidSilent = false;
	#failed = false;			// the adapter, while it had a message
	#eid = 0;					// of the last event that came
	#ahead = new Map();			// sockets that were told more than has come: id -> eid
	#last = {};					// the newest message; each has the next one, for as long as somebody holds it

	constructor(pool, { channelPrefix, patience }, log)
	{
		super();
		this.#pool = pool;
		this.#channel = `${channelPrefix}#/`;
		this.#patience = patience;
		this.#log = log;
		pool.on('error', (error) => log(`database: ${error.message}`));
		pool.on('connect', (client) => this.#adopt(client));
		setInterval(() => this.#watch(), patience / 3).unref();
	}

	// The adapter would die of an error, leak the connection, and tell of large events after those that follow them.
	#adopt(client)
	{
		const on = client.on;
		client.on('error', (error) => this.#log(`database: ${error.message}`));
		client.on = (name, handle) =>
		{
			if (name !== 'notification')
				return on.call(client, name, handle);
			let queue = Promise.resolve();
			this.#listener = client;
			on.call(client, 'end', () =>
			{
				client.release(true);
				this.#lose(client);
			});
			queueMicrotask(() => this.#register(client));	// after LISTEN
			return on.call(client, name, (message) =>
			{
				queue = queue.then(() => client === this.#listener && this.#deliver(client, handle, message));
			});
		};
	}

	// An event whose attachment could not be had is one more that went by unheard: all come again, and ask for it.
	async #deliver(client, handle, message)
	{
		this.#failed = false;
		await handle(message);
		if (!this.#failed || !/"attachmentId"/.test(message.payload))
			return;
		this.#lose(client);			// at once: nobody is to hear the next one
		client.end().catch(() => {});
	}

	// what the adapter could not do
	fail(error)
	{
		this.#failed = true;
		this.#log(`adapter: ${error.message}`);
	}

	async #register(client)
	{
		const name = `${hostname()}-${process.pid}-${++this.#registered}`;
		try
		{
			const { rows } = await client.query('SELECT washminute_api.rt_gateway_register($1) AS answer', [name]);
			this.#tickInterval = (rows[0].answer?.tickSeconds ?? 0) * 1000;
			this.#tickAt = Date.now();
			this.name = name;
			await this.#ping();
		}
		catch (error)
		{
			this.#log(`database: ${error.message}`);
			client.end().catch(() => {});
		}
	}

	#lose(client)
	{
		if (client !== this.#listener)
			return;
		this.#log('the database is away');
		this.#listener = undefined;
		this.isReady = false;
		this.emit('lost');
	}

	// To ourselves: what comes back proves that we hear.
	#ping()
	{
		const text = JSON.stringify({ uid: 'emitter', type: SERVER_SIDE_EMIT, nsp: '/', data: { packet: ['ping', this.name] } });
		return this.#pool.query('SELECT pg_notify($1, $2)', [this.#channel, text]);
	}

	#watch()
	{
		if (Date.now() - this.#heardAt > this.#patience)
		{
			this.#log('nothing heard from the database: is there a pooler between?');
			process.exit(1);
		}
		const isSilent = this.isReady && !this.#ticks;
		if (isSilent && !this.#saidSilent)
			this.#log('no tick heard: does the worker run, and is LIVE_CHANNEL_PREFIX its realtime_channel_prefix?');
		this.#saidSilent = isSilent;
		if (this.isReady)
			this.#beat().catch((error) => this.#log(`database: ${error.message}`));
	}

	// The lease is the listening connection's, and lost with it.
	async #beat()
	{
		await this.#ping();
		await this.#pool.query('SELECT washminute_api.rt_gateway_beat($1)', [this.name]);
	}

	#hear([event, name])
	{
		if (event === 'tick')
			this.#tickAt = Date.now();
		if (event !== 'ping' || name !== this.name)
			return;
		this.#heardAt = Date.now();
		if (!this.isReady)
			this.#log(`ready as ${name}`);
		this.isReady = true;
	}

	// false where the database should tick and does not, so that no event will come
	get #ticks()
	{
		return !this.#tickInterval || Date.now() - this.#tickAt < 3 * this.#tickInterval;
	}

	health()
	{
		return { ok: this.isReady && this.#ticks, listening: this.isReady, ticks: this.#ticks, gateway: this.name };
	}

	// The adapter that create makes, followed.
	follow(create)
	{
		const followed = (adapter) =>
		{
			const onMessage = adapter.onMessage;
			adapter.onMessage = (message, offset) =>
			{
				const { type, data } = message;
				if (type === FETCH_SOCKETS)		// would tell who is here
					return;
				if (type === SERVER_SIDE_EMIT)
					this.#hear(data.packet);
				if (type === BROADCAST)
					this.#exceptThoseAhead(data);
				if (type >= BROADCAST && type <= DISCONNECT_SOCKETS)
					this.#last = this.#last.next = { message };
				onMessage.call(adapter, message, offset);
			};
			return adapter;
		};
		return function (namespace)		// which is called with new
		{
			return followed(create(namespace));
		};
	}

	#exceptThoseAhead({ packet, opts })
	{
		const eid = eidOf(packet);
		if (!(eid > 0))
			return;
		this.#eid = eid;
		for (const [id, cursor] of this.#ahead)
		{
			if (eid > cursor)
				this.#ahead.delete(id);
			else
				opts.except = [...opts.except ?? [], id];
		}
	}

	/*
	 * A socket comes in.  What it missed was looked up between mark() and now, up to cursor.  From now on
	 * it gets what comes; here, what came meanwhile and is newer than the look; and later not again
	 * what the look found before its notification came.
	 */
	mark()
	{
		return this.#last;
	}

	admit(socket, mark, cursor)
	{
		for (let entry = mark.next; entry; entry = entry.next)
		{
			const { type, data: { packet, opts, rooms } } = entry.message;
			if (!isFor(socket, opts))
				continue;
			if (type === SOCKETS_JOIN)
				socket.join(rooms);
			else if (type === SOCKETS_LEAVE)
				rooms.forEach((room) => socket.leave(room));
			else if (type === DISCONNECT_SOCKETS)
				socket.disconnect(true);
			else if (eidOf(packet) > cursor)
				socket.emit(...packet.data);
		}
		if (cursor > this.#eid && socket.connected)
			this.#ahead.set(socket.id, cursor);
	}

	dismiss(socket)
	{
		this.#ahead.delete(socket.id);
	}
}

const eidOf = (packet) => Number(packet.data[1]?.eid);

function isFor(socket, { rooms = [], except = [] })
{
	return (rooms.length === 0 || rooms.some((room) => socket.rooms.has(room))) &&
		!except.some((room) => socket.rooms.has(room));
}
