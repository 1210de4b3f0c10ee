/*-------------------------------------------------------------------------
 *
 * text.h
 *		Texts to people: a template and the data that it speaks of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_TEXT_H
#define WASHMINUTE_TEXT_H

#include "utils/jsonb.h"

/*
 * Put members of the data in the places that a text leaves for them, as the
 * language (ar, fr or en) writes them.
 */
extern char *TextFill(const char *text, const char *locale, Jsonb *data);

#endif							/* WASHMINUTE_TEXT_H */
