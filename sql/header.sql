\echo Use "CREATE EXTENSION washminute CASCADE" to load this file. \quit
