//! Without root: `--exec` in a user and network namespace of the command's own.

use crate::common::tun_is_here;
use crate::peers::{good, says, script};

/// A node that everybody may open, bound over `/dev/net/tun`; a copy of the command that everybody may run; `nobody`
/// runs words as another user.
const NOBODY: &str = r#"cp "$ADIEU" ./adieu; chmod 755 . adieu; cp -a /dev/net/tun tun; chmod 666 tun
    mount --bind tun /dev/net/tun
    nobody() { (cd / && exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"); }
"#;

#[test]
fn another_user_serves_curl_in_a_namespace_of_its_own() {
    if !tun_is_here() {
        return;
    }
    let output = script(&format!(
        r#"{NOBODY} ip addr add 10.77.0.2/30 dev lo # taken out here, and free in there
        printf 'HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nadieu\n' |
            nobody "$DIR/adieu" listen 10.77.0.1:80 2> log --exec \
            'curl -sS --noproxy "*" --max-time 20 "http://$ADIEU_ADDR:$ADIEU_PORT/$ADIEU_TUN"; ip link show up dev lo'"#
    ));
    let (out, err) = good(&output);
    assert!(out.starts_with("GET /tun0 HTTP/1.1\r\n"), "{out}");
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

#[test]
fn another_user_connects_to_a_server_in_there() {
    if !tun_is_here() {
        return;
    }
    let output = script(&format!(
        r#"{NOBODY} printf hello | nobody "$DIR/adieu" connect 10.77.0.2:7 2> log --exec \
            'exec perl -MIO::Socket::INET -e "
                \$s = IO::Socket::INET->new(Listen => 1, LocalAddr => q(10.77.0.2:7)); \$c = \$s->accept;
                print \$c reverse(<\$c>), q( adieu);"'"#
    ));
    let (out, err) = good(&output);
    assert_eq!(out, "hello adieu", "{err}");
    says(&err, &["namespace of its own", "graceful-local-first"]);
}

#[test]
fn the_commands_failure_is_ours() {
    if !tun_is_here() {
        return;
    }
    let output = script(&format!(
        r#"{NOBODY} set +e
        nobody "$DIR/adieu" listen 10.77.0.1:80 --exec 'exit 3' < /dev/null 2> log; echo $?
        nobody "$DIR/adieu" listen 10.77.0.1:80 --exec 'curl -s --max-time 9 --noproxy "*" 10.77.0.1; exit 4' \
            < /dev/null 2>> log; echo $?"#
    ));
    let (out, err) = good(&output);
    assert!(out.starts_with("1\nGET") && out.ends_with("\n1\n"), "{out}{err}");
    says(&err, &["ended without a connection", "exit status: 3", "graceful", "exit status: 4"]);
}

#[test]
fn without_a_command_it_says_how_to_give_one() {
    if !tun_is_here() {
        return;
    }
    let output =
        script(&format!(r#"{NOBODY} set +e; nobody "$DIR/adieu" connect 10.77.0.2:80 < /dev/null 2> log; echo $?"#));
    let (out, err) = good(&output);
    assert_eq!(out, "2\n", "{err}");
    says(&err, &["sudo", "setcap cap_net_admin", "--exec CMD"]);
}

/// A user namespace whose limit of further ones is zero, and a process in it without rights.
#[test]
fn forbidden_user_namespaces_are_one_clear_sentence() {
    if !tun_is_here() {
        return;
    }
    let output = script(
        r#"set +e; export ADIEU
        unshare --user --map-root-user bash -c 'echo 0 > /proc/sys/user/max_user_namespaces
            exec setpriv --bounding-set=-all -- "$ADIEU" listen 10.77.0.1:80 --exec true < /dev/null' 2> log; echo $?"#,
    );
    let (out, err) = good(&output);
    assert_eq!((out.as_str(), err.lines().count()), ("2\n", 1), "{err}");
    says(&err, &["user namespaces are forbidden", "sudo", "max_user_namespaces"]);
}
