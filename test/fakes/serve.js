'use strict';

/*
 * What all fakes do alike: they listen, say where, and end.
 *
 *	run(handle, options)        options.port, options.host, options['no-stdin']
 *	listen(server, options)     the same for a server that is made already
 */

const http = require('node:http');

// A fake must never be the one who loses patience: no time limits.
const patience = { keepAliveTimeout: 120_000, requestTimeout: 0, headersTimeout: 0, noDelay: true };

// Connections, and children, that are open do not keep it from ending.
function end()
{
	process.exit(0);
}

function listen(server, options)
{
	server.on('clientError', (error, socket) => socket.destroy());
	server.listen({ port: Number(options.port), host: options.host, backlog: 4096 }, () =>
		console.log(`listening on ${server.address().port}`));
	process.on('SIGTERM', end);
	if (!options['no-stdin'])
		process.stdin.on('end', end).on('error', end).resume();
}

function run(handle, options)
{
	listen(http.createServer(patience, handle), options);
}

module.exports = { listen, run };
