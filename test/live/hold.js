'use strict';

// Preloaded into a gateway: of what it asks the database, the answer to what has "slowly" in it is kept back until SIGUSR2.

const { createRequire } = require('node:module');
const path = require('node:path');
const { Client } = createRequire(path.join(__dirname, '../../src/gateway/live/gateway.js'))('pg');

const { query } = Client.prototype;
const kept = [];

Client.prototype.query = function (...args)
{
	const answer = query.apply(this, args);
	if (!args[0].values?.some((value) => String(value).includes('slowly')))
		return answer;
	return answer.then((rows) => new Promise((resolve) =>
	{
		kept.push(() => resolve(rows));
		console.log('held');
	}));
};
process.on('SIGUSR2', () => kept.splice(0).forEach((release) => release()));
