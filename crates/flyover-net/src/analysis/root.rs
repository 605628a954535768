//! Real rule sets, loaded by the tools that people use.

use insta::assert_snapshot;

use super::*;
use crate::nl::{Request, Talk};
use crate::testing::Room;

/// What is judged in a namespace in which the script was run.
fn analysed(script: &str) -> Analysis {
    let room = Room::new("rules");
    room.sh(script);
    Analysis::of(&room.run(|| Ruleset::read().unwrap()))
}

fn judged(script: &str) -> String {
    let lines: Vec<String> = analysed(script).judges.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The same rules by legacy and by nf_tables iptables, IPv4. Handles are left out: in which order a chain and its
/// rules get theirs differs between kernels.
fn both(rules: &str) -> (String, String) {
    let with = |tool: &str| judged(&rules.replace("iptables ", &format!("{tool} -w ")));
    (with("iptables-legacy"), without_handles(&with("iptables-nft")))
}

fn without_handles(lines: &str) -> String {
    let mut parts = lines.split(" handle ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn no_rules_judge_nothing() {
    let analysis = analysed("true");
    assert_eq!((analysis.judges, analysis.conntrack), (Vec::new(), false));
}

#[test]
fn what_kube_proxy_writes_for_iptables_judges_nothing_and_tracks_connections() {
    let rules = "
        iptables -t nat -N KUBE-SERVICES; iptables -t nat -N KUBE-SVC-1; iptables -t nat -N KUBE-SEP-1; iptables -t nat -N KUBE-SEP-2
        iptables -t nat -A PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
        iptables -t nat -A OUTPUT -j KUBE-SERVICES
        iptables -t nat -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-1
        iptables -t nat -A KUBE-SVC-1 -m statistic --mode random --probability 0.5 -j KUBE-SEP-1
        iptables -t nat -A KUBE-SVC-1 -j KUBE-SEP-2
        iptables -t nat -A KUBE-SEP-1 -p tcp -m tcp -j DNAT --to-destination 10.244.1.2:8080
        iptables -t nat -A KUBE-SEP-2 -p tcp -m tcp -j DNAT --to-destination 10.244.2.2:8080
        iptables -t nat -A POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
        iptables -t nat -A POSTROUTING -j MARK --xor-mark 0x4000
        iptables -t nat -A POSTROUTING -j MASQUERADE --random-fully
        iptables -N KUBE-FORWARD; iptables -A FORWARD -j KUBE-FORWARD
        iptables -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
        iptables -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
        iptables -A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        iptables -A INPUT -m conntrack --ctstate NEW -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu";
    let (legacy, nft) = both(rules);
    assert_eq!((legacy.as_str(), nft.as_str()), ("", ""));
    assert!(analysed(&rules.replace("iptables ", "iptables-legacy -w ")).conntrack);
    assert!(analysed(&rules.replace("iptables ", "iptables-nft -w ")).conntrack);
}

#[test]
fn what_kube_proxy_writes_for_nftables_judges_nothing() {
    let rules = "nft -f - <<E
    table ip kube-proxy {
        set cluster-ips { type ipv4_addr; elements = { 10.96.0.10 }; }
        map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.0.10 . tcp . 80 : goto service-1 }; }
        map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.0.11 . tcp . 80 : goto reject-chain }; }
        chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
        chain service-1 { ip saddr != 10.244.0.0/16 jump mark-it; numgen random mod 2 vmap { 0 : goto ep-1, 1 : goto ep-2 }; }
        chain ep-1 { meta l4proto tcp dnat to 10.244.1.2:8080; }
        chain ep-2 { meta l4proto tcp dnat to 10.244.2.2:8080; }
        chain mark-it { meta mark set mark or 0x4000; }
        chain reject-chain { reject; }
        chain cluster-ips-check { ip daddr @cluster-ips reject; }
        chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
        chain nat-postrouting { type nat hook postrouting priority srcnat; mark and 0x4000 != 0 masquerade fully-random; }
        chain filter-forward { type filter hook forward priority -110; ct state new ip daddr . meta l4proto . th dport vmap @no-endpoint-services; ct state new jump cluster-ips-check; }
    }
E";
    let analysis = analysed(rules);
    assert_eq!((analysis.judges, analysis.conntrack), (Vec::new(), true));
    assert!(analysis.generation.is_some());
}

#[test]
fn a_log_in_input_judges_outer_packets_only() {
    let (legacy, nft) =
        both("iptables -A INPUT -j LOG --log-prefix hello; iptables -A INPUT -p tcp --dport 22 -j NFLOG");
    assert_snapshot!(legacy, @"LOG in iptables -t filter INPUT rule 1, of outer packets ip proto 17");
    assert_snapshot!(nft, @"LOG in table ip filter chain INPUT, of outer packets ip proto 17");
}

#[test]
fn who_logs_or_accounts_on_the_way_of_a_flow_judges_it() {
    let (legacy, nft) = both("iptables -A FORWARD -d 10.244.1.0/24 -p udp -j NFLOG --nflog-group 5");
    assert_snapshot!(legacy, @"
    NFLOG in iptables -t filter FORWARD rule 1, of packets ip to 10.244.1.0/24 proto 17
    ");
    assert_snapshot!(nft, @"
    log in table ip filter chain FORWARD, of packets ip to 10.244.1.0/24 proto 17
    ");
    let accounts = |tool: &str| {
        let room = Room::new("acct");
        // `NFNL_MSG_ACCT_NEW` of `NFNL_SUBSYS_ACCT`, and `NFACCT_NAME`: the rule names an object that must be there.
        let new = Request::get(7 << 8, &[0; 4]).attr(1, b"web\0");
        room.run(|| Talk::open(libc::NETLINK_NETFILTER, "acct").unwrap().ask("acct", &new, |_| Ok(())))
            .unwrap();
        room.sh(&format!("{tool} -w -A FORWARD -p tcp --dport 80 -m nfacct --nfacct-name web"));
        let rules = room.run(|| Ruleset::read().unwrap());
        without_handles(
            &Analysis::of(&rules).judges.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        )
    };
    assert_snapshot!(accounts("iptables-legacy"), @"
    nfacct in iptables -t filter FORWARD rule 1, of packets ip proto 6 dport 80
    ");
    assert_snapshot!(accounts("iptables-nft"), @"
    nfacct in table ip filter chain FORWARD, of packets ip proto 6 dport 80
    ");
}

#[test]
fn a_hashlimit_judges_what_goes_to_its_prefix() {
    let (legacy, nft) = both(
        "iptables -A FORWARD -d 10.244.1.0/24 -p udp -m hashlimit --hashlimit-above 1000/s --hashlimit-mode srcip --hashlimit-name h -j DROP",
    );
    assert_snapshot!(legacy, @"hashlimit in iptables -t filter FORWARD rule 1, of packets ip to 10.244.1.0/24 proto 17");
    assert_snapshot!(nft, @"hashlimit in table ip filter chain FORWARD, of packets ip to 10.244.1.0/24 proto 17");
}

#[test]
fn a_limit_in_a_chain_of_its_own_judges_what_is_sent_there() {
    let (legacy, nft) = both(
        "iptables -N SLOW; iptables -A FORWARD -s 10.244.1.0/24 -i veth+ -j SLOW; iptables -A FORWARD -o eth0 -p tcp -m multiport --dports 80,8000:8080 -g SLOW; iptables -A SLOW -d 10.0.0.0/8 -m limit --limit 10/s -j RETURN; iptables -A SLOW -j DROP",
    );
    assert_snapshot!(legacy, @"limit in iptables -t filter SLOW rule 1, of packets ip from 10.244.1.0/24 to 10.0.0.0/8 in veth* or ip to 10.0.0.0/8 proto 6 dport 80 out eth0 or ip to 10.0.0.0/8 proto 6 dport 8000-8080 out eth0");
    assert_snapshot!(nft, @"limit in table ip filter chain SLOW, of packets ip from 10.244.1.0/24 to 10.0.0.0/8 in veth* or ip to 10.0.0.0/8 proto 6 dport 80 out eth0 or ip to 10.0.0.0/8 proto 6 dport 8000-8080 out eth0");
}

#[test]
fn what_comes_after_accept_established_is_out_of_reach() {
    for accept in [
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m state --state ESTABLISHED",
        "-m conntrack ! --ctstate NEW,INVALID",
    ] {
        let (legacy, nft) = both(&format!(
            "iptables -A FORWARD {accept} -j ACCEPT; iptables -A FORWARD -m limit --limit 10/s -j LOG"
        ));
        assert_eq!((legacy.as_str(), nft.as_str()), ("", ""), "{accept}");
    }
    for accept in [
        "ct state established,related accept",
        "ct state vmap { established : accept, related : accept, invalid : drop }",
        "ct state { established, related } accept",
        "ct state established accept",
    ] {
        let set = format!(
            "nft 'add table inet t; add chain inet t c {{ type filter hook forward priority 0; }}; add rule inet t c {accept}; add rule inet t c limit rate 10/second log'"
        );
        assert_eq!(judged(&set), "", "{accept}");
    }
}

#[test]
fn every_extension_that_looks_at_single_packets_is_found() {
    let rules = "
        iptables -t mangle -A FORWARD -m statistic --mode nth --every 3 --packet 0 -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -m quota --quota 100000 -j ACCEPT
        iptables -t mangle -A FORWARD -m connbytes --connbytes 1000 --connbytes-dir both --connbytes-mode bytes -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -m length --length 100: -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -m u32 --u32 '0&0xff=1' -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -m string --algo bm --string x -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -m ttl --ttl-gt 5 -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -p tcp -m ecn --ecn-ip-ect 1 -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -m recent --name r --set -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -m connlimit --connlimit-above 5 -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -m dscp --dscp 10 -j MARK --set-mark 1
        iptables -t mangle -A FORWARD -j TTL --ttl-inc 1
        iptables -t mangle -A FORWARD -j DSCP --set-dscp 10
        iptables -t mangle -A FORWARD -j TOS --set-tos 4
        iptables -t mangle -A FORWARD -j TEE --gateway 10.0.0.9
        iptables -t mangle -A FORWARD -j NFQUEUE --queue-num 1
        iptables -t raw -A PREROUTING -j TRACE
        iptables -t mangle -A PREROUTING -p tcp -j TPROXY --on-port 1 --on-ip 127.0.0.1";
    let (legacy, nft) = both(rules);
    assert_snapshot!(legacy, @r"
    TRACE in iptables -t raw PREROUTING rule 1, of packets ip
    TRACE in iptables -t raw PREROUTING rule 1, of outer packets ip proto 17
    TPROXY in iptables -t mangle PREROUTING rule 1, of packets ip proto 6
    statistic in iptables -t mangle FORWARD rule 1, of packets ip
    quota in iptables -t mangle FORWARD rule 2, of packets ip
    connbytes in iptables -t mangle FORWARD rule 3, of packets ip
    length in iptables -t mangle FORWARD rule 4, of packets ip
    u32 in iptables -t mangle FORWARD rule 5, of packets ip
    string in iptables -t mangle FORWARD rule 6, of packets ip
    ttl in iptables -t mangle FORWARD rule 7, of packets ip
    ecn in iptables -t mangle FORWARD rule 8, of packets ip proto 6
    recent in iptables -t mangle FORWARD rule 9, of packets ip
    connlimit in iptables -t mangle FORWARD rule 10, of packets ip
    dscp in iptables -t mangle FORWARD rule 11, of packets ip
    TTL in iptables -t mangle FORWARD rule 12, of packets ip
    DSCP in iptables -t mangle FORWARD rule 13, of packets ip
    TOS in iptables -t mangle FORWARD rule 14, of packets ip
    TEE in iptables -t mangle FORWARD rule 15, of packets ip
    NFQUEUE in iptables -t mangle FORWARD rule 16, of packets ip
    ");
    assert_snapshot!(nft, @r"
    statistic in table ip mangle chain FORWARD, of packets ip
    quota in table ip mangle chain FORWARD, of packets ip
    connbytes in table ip mangle chain FORWARD, of packets ip
    length in table ip mangle chain FORWARD, of packets ip
    u32 in table ip mangle chain FORWARD, of packets ip
    string in table ip mangle chain FORWARD, of packets ip
    ttl in table ip mangle chain FORWARD, of packets ip
    ecn in table ip mangle chain FORWARD, of packets ip proto 6
    recent in table ip mangle chain FORWARD, of packets ip
    connlimit in table ip mangle chain FORWARD, of packets ip
    dscp in table ip mangle chain FORWARD, of packets ip
    TTL in table ip mangle chain FORWARD, of packets ip
    DSCP in table ip mangle chain FORWARD, of packets ip
    TOS in table ip mangle chain FORWARD, of packets ip
    TEE in table ip mangle chain FORWARD, of packets ip
    NFQUEUE in table ip mangle chain FORWARD, of packets ip
    TPROXY in table ip mangle chain PREROUTING, of packets ip proto 6
    trace in table ip raw chain PREROUTING, of packets ip
    trace in table ip raw chain PREROUTING, of outer packets ip proto 17
    ");
}

#[test]
fn ipv6_rules_are_read_too() {
    let rules = "ip6tables-X -A FORWARD -s fd00:1::/32 -p tcp --sport 1000:2000 -m limit --limit 10/s -j DROP; ip6tables-X -t mangle -A FORWARD -j HL --hl-inc 1; ip6tables-X -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT; ip6tables-X -A FORWARD -j LOG";
    assert_snapshot!(judged(&rules.replace("-X", "-legacy")), @r"
    HL in ip6tables -t mangle FORWARD rule 1, of packets ip6
    limit in ip6tables -t filter FORWARD rule 1, of packets ip6 from fd00:1::/32 proto 6 sport 1000-2000
    ");
    assert_snapshot!(judged(&rules.replace("-X", "-nft")), @r"
    limit in table ip6 filter chain FORWARD handle 2, of packets ip6 from fd00:1::/32 proto 6 sport 1000-2000
    HL in table ip6 mangle chain FORWARD handle 2, of packets ip6
    ");
}

#[test]
fn rules_of_nft_are_followed_through_sets_ranges_and_maps() {
    let rules = "nft -f - <<E
    table inet t {
        counter web { }
        quota monthly { over 1000 mbytes; }
        set seen { type ipv4_addr; flags dynamic; }
        chain special { limit rate over 100/second drop; }
        chain f {
            type filter hook forward priority 0;
            ct state invalid drop
            ip saddr 10.244.1.0/24 ip daddr { 10.1.0.1, 10.1.0.2 } limit rate 10/second accept
            ip saddr { 10.2.0.0/16, 10.3.0.0-10.3.0.255 } tcp dport { 80, 443 } log prefix \"x\"
            tcp dport 1000-2000 counter name web
            ip6 daddr fd00::/8 quota name monthly drop
            iifname \"veth*\" oifname \"eth0\" udp sport 53 numgen inc mod 2 0 drop
            ip daddr vmap { 10.9.0.1 : jump special, 10.9.0.2 : goto special }
            update @seen { ip saddr }
            ip ttl < 5 drop
            meta length > 1000 counter
            ip dscp set af11
            ct bytes > 1000000 meta mark set 1
            ct count over 10 reject
            tcp flags syn limit rate 10/second accept
            counter
        }
        chain in { type filter hook ingress device lo priority 0; udp dport 4789 limit rate 1000/second accept; }
    }
E";
    assert_snapshot!(judged(rules), @r"
    limit in table inet t chain f handle 10, of packets ip from 10.244.1.0/24 to 10.1.0.1/32 or ip from 10.244.1.0/24 to 10.1.0.2/32
    log in table inet t chain f handle 13, of packets ip from 10.2.0.0/15 proto 6 dport 80 or ip from 10.2.0.0/15 proto 6 dport 443
    counter web in table inet t chain f handle 14, of packets proto 6 dport 1000-2000
    quota monthly in table inet t chain f handle 15, of packets ip6 to fd00::/8
    numgen in table inet t chain f handle 16, of packets proto 17 sport 53 in veth* out eth0
    dynset in table inet t chain f handle 19, of packets ip
    ttl in table inet t chain f handle 20, of packets ip
    packet length in table inet t chain f handle 21, of packets any
    dscp or ecn in table inet t chain f handle 22, of packets ip
    header rewrite in table inet t chain f handle 22, of packets ip
    connbytes in table inet t chain f handle 23, of packets any
    connlimit in table inet t chain f handle 24, of packets any
    limit in table inet t chain special handle 7, of packets ip to 10.9.0.1/32 or ip to 10.9.0.2/32
    limit in table inet t chain in handle 27, of packets proto 17 dport 4789 in lo
    limit in table inet t chain in handle 27, of outer packets proto 17 dport 4789 in lo
    ");
}

#[test]
fn a_rule_set_of_a_bridge_and_of_a_device_is_read() {
    let rules = "nft -f - <<E
    table bridge b {
        chain f { type filter hook forward priority 0; ether type ip ip saddr 10.0.0.1 limit rate 1/second drop; }
    }
    table netdev d {
        chain i { type filter hook ingress device lo priority 0; ip protocol udp limit rate 1/second drop; }
    }
E";
    assert_snapshot!(judged(rules), @r"
    limit in table bridge b chain f handle 2, of packets ip from 10.0.0.1/32
    limit in table netdev d chain i handle 2, of packets ip proto 17 in lo
    limit in table netdev d chain i handle 2, of outer packets ip proto 17 in lo
    ");
}

#[test]
fn before_conntrack_nothing_is_established_yet() {
    let rules = |table: &str| {
        format!(
            "iptables -t {table} -A PREROUTING -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -t {table} -A PREROUTING -p tcp -m limit --limit 1/s -j MARK --set-mark 1"
        )
    };
    let (legacy, nft) = both(&rules("raw"));
    assert_snapshot!(legacy, @"limit in iptables -t raw PREROUTING rule 2, of packets ip proto 6");
    assert_snapshot!(nft, @"limit in table ip raw chain PREROUTING, of packets ip proto 6");
    let (legacy, nft) = both(&rules("mangle"));
    assert_eq!((legacy.as_str(), nft.as_str()), ("", ""), "outer packets are not TCP");
}
