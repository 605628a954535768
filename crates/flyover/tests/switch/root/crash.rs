//! A program that is killed, and daemons that are: what was begun is gone on with, and nothing is left.

use super::alone;

#[test]
fn a_kill_at_any_moment_is_gone_on_from() {
    alone(
        "spec 384 1500 true \"$U\"\n\
         for t in 0.01 0.05 0.1 0.2 0.4 0.6 0.8 1.0; do\n\
           killed $t $F switch apply -f spec\n\
           status 0 $F switch apply -f spec; status 0 $F switch verify -f spec\n\
           killed $t $F switch rollback --at $R --to 0\n\
           status 0 $F switch rollback --at $R --to 0; nothing\n\
         done\n",
    );
}

#[test]
fn daemons_that_die_and_a_database_that_is_wiped_are_brought_back_and_go_with_the_rest() {
    alone(
        "spec 384 1500 true \"$U\"; status 0 $F switch apply -f spec\n\
         kill -KILL $(cat $R/ovsdb-server.pid); sleep 0.2; status 3 $F switch status --at $R; says NoDatabase\n\
         rm $R/conf.db; status 0 $F switch apply -f spec; status 0 $F switch verify -f spec\n\
         kill -KILL $(cat $R/ovs-vswitchd.pid); sleep 0.2; status 3 $F switch status --at $R; says NoDaemon\n\
         status 0 $F switch apply -f spec; status 0 $F switch status --at $R; says 'Packets can pass'\n\
         kill -KILL $(cat $R/ovs-vswitchd.pid) $(cat $R/ovsdb-server.pid); sleep 0.2\n\
         status 0 $F switch rollback --at $R --to 0; nothing\n",
    );
}
