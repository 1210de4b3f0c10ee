# With pg_cron, setup() registers one job, which does what is due every minute as
# washminute_owner.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

# a first setup(), and nothing after it that would make pg_cron look
my $fresh = washminute_node('fresh', cron => 1);
my $node = washminute_node('main', cron => 1);
my $superuser = $node->safe_psql('postgres', 'SELECT CURRENT_USER');
my $jobs = "SELECT jobname, schedule, command, database, username, active FROM cron.job";
my $no_job = "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'pg_cron%no active job%'";

is_query($node, $jobs, "washminute run_due|* * * * *|SELECT washminute.run_due()|postgres|$superuser|t",
	'setup() registers the job');
$node->safe_psql('postgres', 'SELECT washminute.setup()');
is_query($node, "SELECT count(*) FROM cron.job", 1, 'once');
is_query($node, $no_job, 0, 'doctor() is content');

$node->safe_psql('postgres', 'SELECT washminute.schedule_jobs()');
is_query($node, "SELECT count(*) FROM cron.job", 1, 'schedule_jobs() makes no second one');
is_query($node, 'SELECT washminute.unschedule_jobs(), washminute.unschedule_jobs()', '1|0', 'unschedule_jobs() takes it out');
$node->safe_psql('postgres', 'SELECT washminute.schedule_jobs()');
is_query($node, $jobs, "washminute run_due|* * * * *|SELECT washminute.run_due()|postgres|$superuser|t", 'schedule_jobs() brings it back');
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE EXTENSION washminute CASCADE; SELECT washminute.setup()');
is_refused($node, 'SELECT washminute.schedule_jobs()', 'PT503', qr/^WM_CRON_MISSING .*schedule_in_database.*elsewhere/,
	'where pg_cron is in another database the error tells what to run there', dbname => 'elsewhere');
is_query($node, 'SELECT washminute.unschedule_jobs()', 0, 'and there is nothing to take out there', 'elsewhere');

# a job of the user's, and one of ours that was lost
$node->safe_psql('postgres', "SELECT cron.schedule('nightly', '0 3 * * *', 'VACUUM');
  SELECT cron.unschedule('washminute run_due')");
is_query($node, $no_job, 1, 'doctor() misses a job that is gone');
$node->safe_psql('postgres', 'CREATE ROLE boss LOGIN SUPERUSER');
$node->safe_psql('postgres', 'SELECT washminute.setup()');
is_query($node, $no_job, 0, 'setup() brings it back');
$node->safe_psql('postgres', "UPDATE cron.job SET active = false WHERE jobname = 'washminute run_due'");
is_query($node, $no_job, 1, 'doctor() misses a job that is switched off');
$node->safe_psql('postgres', 'SELECT washminute.setup()');
is_query($node, $no_job, 0, 'setup() switches it on, as the remedy says');
$node->safe_psql('postgres', 'SELECT washminute.setup()', connstr => $node->connstr('postgres') . ' user=boss');
is_query($node, "SELECT jobname, username, active FROM cron.job ORDER BY jobname",
	"nightly|$superuser|t\nwashminute run_due|boss|t", 'another superuser takes the job over, and only that one');

# What expires a request, as a trigger sees it, which tries to be more.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.seen (who text, session_owner text, escaped text);
GRANT INSERT ON public.seen TO PUBLIC;
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  escaped text := 'no';
BEGIN
  BEGIN
    RESET ROLE;
    escaped := CURRENT_USER;
  EXCEPTION WHEN insufficient_privilege THEN NULL;
  END;
  BEGIN
    SET ROLE boss;
    escaped := CURRENT_USER;
  EXCEPTION WHEN insufficient_privilege THEN NULL;
  END;
  BEGIN
    SET SESSION AUTHORIZATION boss;
    escaped := CURRENT_USER;
  EXCEPTION WHEN insufficient_privilege THEN NULL;
  END;
  INSERT INTO public.seen VALUES (CURRENT_USER, SESSION_USER, escaped);
  RETURN NEW;
END
$$;
CREATE TRIGGER see AFTER UPDATE ON washminute_data.washing_requests
  FOR EACH ROW WHEN (NEW.status = 'expired') EXECUTE FUNCTION public.see();
SQL
$node->safe_psql('postgres', noon() . people(3) . booking('due', cash => '') . noon('1 hour'));
is_query($node, "SELECT status FROM washminute_data.washing_requests", 'pending', 'a request is due');

# and so is a reservation, half an hour before it begins
$node->safe_psql('postgres', noon() . <<'SQL' . noon('1 hour'));
SELECT washminute.upsert_user('yasmine', 'customer');
SELECT FROM washminute.create_booking('yasmine', '{exterior}', -7.61, 33.59, 'Rue 2', 'cash', washminute.now() + '90 minutes');
SELECT washminute.report_location('w1', -7.61, 33.59), washminute.set_washman_status('w1', 'online');
SQL
my $told = "SELECT count(*) FROM washminute_data.events WHERE event = 'upcomingReservation'";
is_query($node, $told, 0, 'a reservation is due');

# pg_cron begins its jobs at full minutes
local $PostgreSQL::Test::Utils::timeout_default = 75;
becomes($node, "SELECT status FROM washminute_data.washing_requests WHERE reservation_at IS NULL", 'expired', 'the job expires it');
is_query($node, $told, 1, 'and offers the reservation');
is_query($node, 'SELECT * FROM public.seen', 'washminute_owner|boss|no',
	'as washminute_owner, who cannot become anybody else');
becomes($node, "SELECT DISTINCT status, username FROM cron.job_run_details
  WHERE command = 'SELECT washminute.run_due()' AND username = 'boss'", 'succeeded|boss', 'pg_cron reports success');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the data are sound');

# pg_cron has learnt of the job by the first setup()
becomes($fresh, "SELECT DISTINCT status FROM cron.job_run_details", 'succeeded', 'the job of a first setup() is run');
$fresh->stop;

# What doctor() says of the runs, while pg_cron makes none: asked to end it does so for good.
my $idle = "SELECT finding FROM washminute.doctor() WHERE finding LIKE 'pg_cron does not run%'";
my $later = "UPDATE washminute_data.instance SET set_up_at = clock_timestamp() - interval '%s'";
$node->safe_psql('postgres', "SELECT washminute.set_clock(NULL);
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_cron launcher'");
becomes($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_cron%'", 0, 'pg_cron has ended');
is_query($node, $idle, '', 'doctor() is content with a job that runs');
$node->safe_psql('postgres', "UPDATE cron.job_run_details SET start_time = now() - interval '6 minutes'");
$node->safe_psql('postgres', sprintf($later, '4 minutes'));
is_query($node, $idle, '', 'runs: shortly after setup() none is missed');
$node->safe_psql('postgres', sprintf($later, '6 minutes'));
like($node->safe_psql('postgres', $idle), qr/^pg_cron does not run washminute: not since 20/, 'runs: none for a while is a finding');
$node->safe_psql('postgres', "UPDATE cron.job_run_details SET start_time = now() - interval '4 minutes'");
is_query($node, $idle, '', 'runs: the last one is not long ago');
$node->safe_psql('postgres', "UPDATE cron.job_run_details SET status = 'failed', return_message = 'connection failed', start_time = NULL
  WHERE runid = (SELECT max(runid) FROM cron.job_run_details)");
is_query($node, $idle, 'pg_cron does not run washminute: it failed: connection failed', 'runs: the last one failed');
$node->safe_psql('postgres', 'DELETE FROM cron.job_run_details');
is_query($node, $idle, 'pg_cron does not run washminute: it never did', 'runs: there was none');
$node->safe_psql('postgres', sprintf($later, '4 minutes'));
is_query($node, $idle, '', 'runs: and none was to be expected yet');

# old runs go at the beginning of an hour, ours alone
$node->safe_psql('postgres', <<'SQL');
INSERT INTO cron.job_run_details (jobid, database, command, runid, end_time)
SELECT j.jobid, j.database, j.command, (CASE j.jobname WHEN 'nightly' THEN 10000 ELSE 20000 END) + age.days, now() - age.days * interval '1 day'
  FROM cron.job AS j, unnest('{1,3}'::int[]) AS age (days);
SELECT washminute.set_clock('2027-03-01 10:01+00', 0);
SELECT washminute.run_due();
SQL
is_query($node, 'SELECT count(*) FROM cron.job_run_details WHERE runid >= 10000', 4, 'history: it stays all the hour');
$node->safe_psql('postgres', "SELECT washminute.set_clock('2027-03-01 11:00+00', 0); SELECT washminute.run_due()");
is_query($node, 'SELECT string_agg(runid::text, chr(32) ORDER BY runid) FROM cron.job_run_details WHERE runid >= 10000', '10001 10003 20001', 'history: and goes then');

# outside the job the caller is himself again
is_query($node, 'SELECT washminute.run_due(); SELECT CURRENT_USER', "0\n$superuser", 'run_due() leaves the caller as he was');

done_testing();
