//! Without root: `--exec` in a user and network namespace of the command's own.

use crate::family::Family;
use crate::harness::register;
use crate::peers::{NOBODY, good, says, script};

register! {
    another_user_serves_curl_in_a_namespace_of_its_own(Family) needs Tun;
    another_user_connects_to_a_server_in_there(Family) needs Tun;
    the_commands_failure_is_ours(Family) needs Tun;
    without_a_command_it_says_how_to_give_one(Family) needs Tun;
    forbidden_user_namespaces_are_one_clear_sentence(Family) needs Tun;
}

fn another_user_serves_curl_in_a_namespace_of_its_own(family: Family) {
    let output = script(
        family,
        &format!(
            r#"{NOBODY} ip addr add $KERNEL_NET dev lo $NODAD # taken out here, and free in there
        printf 'HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nadieu\n' |
            nobody "$DIR/adieu" listen $STACK:80 2> log --exec \
            'curl -sS --noproxy "*" --max-time 20 "http://$STACK:$ADIEU_PORT/$ADIEU_TUN/$ADIEU_ADDR"
            ip link show up dev lo'"#
        ),
    );
    let (out, err) = good(&output);
    assert!(out.starts_with(&format!("GET /tun0/{} HTTP/1.1\r\n", family.stack())), "{out}");
    says(
        &err,
        &[
            "in a network namespace of its own, which only the command of --exec sees",
            "\nadieu\n",
            "1: lo: ",
            "graceful",
        ],
    );
}

fn another_user_connects_to_a_server_in_there(family: Family) {
    let output = script(
        family,
        &format!(
            r#"{NOBODY} printf hello | nobody "$DIR/adieu" connect $KERNEL:7 2> log --exec \
            'exec perl -MIO::Socket::IP -e "
                \$s = IO::Socket::IP->new(Listen => 1, LocalHost => q($ADIEU_KERNEL), LocalPort => 7);
                \$c = \$s->accept; print \$c reverse(<\$c>), q( adieu);"'"#
        ),
    );
    let (out, err) = good(&output);
    assert_eq!(out, "hello adieu", "{err}");
    says(&err, &["namespace of its own", "graceful-local-first"]);
}

fn the_commands_failure_is_ours(family: Family) {
    let output = script(
        family,
        &format!(
            r#"{NOBODY} set +e
        nobody "$DIR/adieu" listen $STACK:80 --exec 'exit 3' < /dev/null 2> log; echo $?
        nobody "$DIR/adieu" listen $STACK:80 --exec 'curl -s --max-time 9 --noproxy "*" http://$STACK; exit 4' \
            < /dev/null 2>> log; echo $?"#
        ),
    );
    let (out, err) = good(&output);
    assert!(out.starts_with("1\nGET") && out.ends_with("\n1\n"), "{out}{err}");
    says(&err, &["ended without a connection", "exit status: 3", "graceful", "exit status: 4"]);
}

fn without_a_command_it_says_how_to_give_one(family: Family) {
    let output = script(
        family,
        &format!(r#"{NOBODY} set +e; nobody "$DIR/adieu" connect $KERNEL:80 < /dev/null 2> log; echo $?"#),
    );
    let (out, err) = good(&output);
    assert_eq!(out, "2\n", "{err}");
    says(&err, &["sudo", "setcap cap_net_admin", "--exec CMD"]);
}

/// A user namespace whose limit of further ones is zero, and a process in it without rights.
fn forbidden_user_namespaces_are_one_clear_sentence(family: Family) {
    let output = script(
        family,
        r#"set +e; export ADIEU
        unshare --user --map-root-user bash -c 'echo 0 > /proc/sys/user/max_user_namespaces
            exec setpriv --bounding-set=-all -- "$ADIEU" listen $STACK:80 --exec true < /dev/null' 2> log; echo $?"#,
    );
    let (out, err) = good(&output);
    assert_eq!((out.as_str(), err.lines().count()), ("2\n", 1), "{err}");
    says(&err, &["user namespaces are forbidden", "sudo", "max_user_namespaces"]);
}
