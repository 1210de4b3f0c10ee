\echo Use "ALTER EXTENSION washminute UPDATE" to load this file. \quit
