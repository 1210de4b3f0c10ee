/*
 * Tokens: who they say is there, if they are signed with one of the keys of LIVE_KEYS: a JWKS, a
 * public key in PEM, or a secret.  The file is read again when it changes.
 */

import { createPublicKey, webcrypto } from 'node:crypto';
import { readFileSync, watchFile } from 'node:fs';
import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import { settings } from './settings.js';

globalThis.crypto ??= webcrypto;	// Node 18 has none

let key;
let kind;
let algorithms;

function readKeys()
{
	const text = readFileSync(settings.keys, 'utf8').trim();
	const kindNow = text.startsWith('{') ? 'a JWKS' : text.startsWith('-----') ? 'a key in PEM' : 'a secret';
	if (text.length < 32)
		throw new Error(`${settings.keys} has no key, or a short one`);
	// what was downloaded in place of public keys, such as a page that says why they are not there, is no secret
	if (kindNow !== (kind ?? kindNow))
		throw new Error(`${settings.keys} had ${kind}, and has ${kindNow}`);
	if (kindNow === 'a secret' && /[\r\n]|^</.test(text))
		throw new Error(`${settings.keys} has neither keys nor a secret`);
	key = kindNow === 'a JWKS' ? createLocalJWKSet(JSON.parse(text)) :
		kindNow === 'a key in PEM' ? createPublicKey(text) : Buffer.from(text);
	kind = kindNow;
	// never what the token itself says
	algorithms = settings.algorithms ?? (kind === 'a secret' ? ['HS256'] : ['RS256', 'ES256']);
}

if (!settings.keys)
	throw new Error('LIVE_KEYS names no file');
readKeys();
watchFile(settings.keys, { interval: 2000, persistent: false }, () =>
{
	try
	{
		readKeys();
	}
	catch (error)
	{
		console.log(`the keys stay as they were: ${error.message}`);
	}
});

// The claims of a token, or null where it is none of ours.
export async function claimsOf(token)
{
	try
	{
		const { issuer, audience } = settings;
		return (await jwtVerify(token, key, { algorithms, issuer, audience, requiredClaims: ['sub'] })).payload;
	}
	catch (error)
	{
		if (error instanceof errors.JOSEError || error instanceof TypeError)
			return null;
		throw error;
	}
}
