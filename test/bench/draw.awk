# Makes the beginning of a pgbench script out of lines "LONGITUDE LATITUDE": it sets i to
# a random line's number, longitude and latitude to what stands there.  pgbench knows no
# arrays, so the lines become a tree of CASEs, which takes it 3 microseconds to go down.

function tree(first, last, middle)
{
	if (first == last)
		return packed[first]
	middle = int((first + last) / 2)
	return "CASE WHEN :i <= " middle " THEN " tree(first, middle) " ELSE " tree(middle + 1, last) " END"
}

{
	packed[NR] = sprintf("%d%09d", ($1 + 180) * 1000000 + 0.5, ($2 + 90) * 1000000 + 0.5)
}

END {
	print "\\set i random(1, " NR ")"
	print "\\set place " tree(1, NR)
	print "\\set longitude :place / 1000000000 / 1000000.0 - 180"
	print "\\set latitude :place % 1000000000 / 1000000.0 - 90"
}
