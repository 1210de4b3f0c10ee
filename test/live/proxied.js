'use strict';

/*
 * The gateway behind nginx: node proxied.js PORT URL, the port that nginx looks for it at.
 */

const { Client, Gateway, is, ok, run, sql, token, until } = require('./live.js');

const [port, url] = process.argv.slice(2);

run(async () =>
{
	const gateway = await new Gateway({ LIVE_PORT: port }).ready();
	for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']])
	{
		const client = new Client(url, token('amina'), { transports });
		is(await client.entered(), 'connect', `through nginx by ${transports}`);
		await until(() => client.socket.io.engine.transport.name === transports.at(-1), transports.at(-1));
		await sql("SELECT washminute.emit('user-amina', 'hello')");
		await client.hears('hello');
		is((await client.ask('identify', 'amina')).ok, true, 'and back');
		client.close();
	}
	is((await fetch(`${url}/health`)).status, 404, "the gateway's health is not for the world");
	const sockets = await Promise.all(Array.from({ length: 60 }, async () =>
	{
		const client = new Client(url, token('amina'), { reconnection: false });
		return client.entered();
	}));
	ok(sockets.every((state) => state === 'connect'), 'more sockets from an address than it may have requests');
	await gateway.end();
});
