//! INV-33: a name is checked each time it is connected to, whatever it resolved to before.
//!
//! Nothing here leaves the machine: 127.0.0.2 plays the public address, 127.0.0.1 the private one
//! behind which something sits that must never be reached.
#![expect(
    clippy::print_stdout,
    reason = "figures are for whoever reads the test output"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cordon_policy::model::Ecosystem;
use futures_util::future::BoxFuture;
use reqwest::dns::Resolve as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::{Host, Url};

use super::client::Upstream;
use super::error::UpstreamError;
use super::host::{GuardedResolver, Lookup, is_private};
use crate::config::{Limits, UpstreamConfig};

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Gives these answers in turn, the last one for ever.
struct Script {
    answers: Mutex<Vec<(&'static str, Vec<IpAddr>)>>,
    asked: AtomicUsize,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = (&'static str, Vec<IpAddr>)>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Lookup for Script {
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("no panic");
        let at = answers.iter().position(|(name, _)| *name == host);
        let at = at.expect("only these names are looked up");
        let is_last = answers.iter().filter(|(name, _)| *name == host).count() == 1;
        let answer = match is_last {
            true => answers[at].1.clone(),
            false => answers.remove(at).1,
        };
        Box::pin(async move { Ok(answer) })
    }
}

/// A server that gives every connection one answer and counts them.
struct Place {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Place {
    async fn open(address: SocketAddr, answer: String) -> Option<Self> {
        let listener = TcpListener::bind(address).await.ok()?;
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Some(Self {
            address,
            connections,
        })
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

const FILE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfile";
const SECRET: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret";

/// Two places on one port: the public one gives `answer`, the private one must not be reached.
async fn places(answer: impl Fn(u16) -> String) -> (Place, Place) {
    loop {
        // The port the private place finds free may be taken at the public address.
        let any = SocketAddr::new(PRIVATE, 0);
        let private = Place::open(any, SECRET.to_owned()).await;
        let private = private.expect("loopback can be bound");
        let port = private.address.port();
        let public = Place::open(SocketAddr::new(PUBLIC, port), answer(port)).await;
        if let Some(public) = public {
            return (public, private);
        }
    }
}

/// An upstream under names, on the places' port.
fn upstream(port: u16, lookup: Arc<dyn Lookup>) -> Upstream {
    crate::server::tls::install_crypto_provider();
    let url = |host: &str| Url::parse(&format!("http://{host}:{port}/")).expect("an address");
    let config = UpstreamConfig {
        id: "fake".into(),
        ecosystem: Ecosystem::from_static("npm"),
        url: url("registry.example"),
        files: vec![url("files.example")],
        only: None,
        is_exclusive: false,
        credential: None,
        may_be_private: false,
        signature_keys: None,
    };
    let resolver = GuardedResolver {
        exempt: Arc::new([]),
        lookup,
        is_dropped: |address| address == PRIVATE,
    };
    Upstream::with_resolver(config, &Limits::default(), resolver).expect("a client")
}

async fn fetch(upstream: &Upstream, url: &str) -> Result<Vec<u8>, UpstreamError> {
    let url = Url::parse(url).expect("an address");
    let Some(mut body) = upstream.artifact(url).await? else {
        return Ok(Vec::new());
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn is_about_addresses(outcome: Result<Vec<u8>, UpstreamError>) -> bool {
    match outcome {
        Err(UpstreamError::Connection { what, .. }) => what.contains("no public address"),
        _ => false,
    }
}

#[tokio::test]
async fn inv_33_a_name_that_turns_private_between_two_connections_is_not_followed() {
    let (public, private) = places(|_| FILE.to_owned()).await;
    let port = public.address.port();
    let url = format!("http://registry.example:{port}/x.tgz");
    let script = Script::new([
        ("registry.example", vec![PUBLIC]),
        ("registry.example", vec![PRIVATE]),
        ("registry.example", vec![PRIVATE, PUBLIC]),
        ("registry.example", vec![PUBLIC, PRIVATE]),
        ("registry.example", vec![]),
        ("registry.example", vec![PRIVATE, PRIVATE]),
    ]);
    let upstream = upstream(port, Arc::<Script>::clone(&script));
    assert_eq!(fetch(&upstream, &url).await.expect("public"), b"file");
    assert!(is_about_addresses(fetch(&upstream, &url).await));
    // Of several addresses the public ones are used, in whichever order they come.
    assert_eq!(fetch(&upstream, &url).await.expect("public"), b"file");
    assert_eq!(fetch(&upstream, &url).await.expect("public"), b"file");
    assert!(is_about_addresses(fetch(&upstream, &url).await));
    assert!(is_about_addresses(fetch(&upstream, &url).await));
    assert_eq!(script.asked.load(Ordering::SeqCst), 6, "once a connection");
    assert_eq!((public.connections(), private.connections()), (3, 0));
}

/// Each hop is a connection of its own: the name a redirect leads to is looked at as well.
#[tokio::test]
async fn inv_33_a_redirect_to_a_name_that_is_private_is_not_followed() {
    let redirect = |port| {
        format!(
            "HTTP/1.1 302 Found\r\nLocation: http://files.example:{port}/x.tgz\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    let (public, private) = places(redirect).await;
    let port = public.address.port();
    let url = format!("http://registry.example:{port}/x.tgz");
    let script = Script::new([
        ("registry.example", vec![PUBLIC]),
        ("files.example", vec![PRIVATE]),
    ]);
    let upstream = upstream(port, script);
    assert!(is_about_addresses(fetch(&upstream, &url).await));
    assert_eq!((public.connections(), private.connections()), (1, 0));
}

/// Addresses nobody may be led to, and what is wrong with each.
const NOWHERE: [[u8; 4]; 10] = [
    [127, 0, 0, 1],
    [127, 8, 9, 10],
    [10, 1, 2, 3],
    [172, 16, 9, 8],
    [192, 168, 1, 1],
    [169, 254, 169, 254],
    [100, 64, 7, 7],
    [0, 0, 0, 0],
    [198, 18, 0, 1],
    [168, 63, 129, 16],
];

/// An IPv4 address in every spelling some reader takes for it.
fn spellings([a, b, c, d]: [u8; 4]) -> Vec<String> {
    let whole = u32::from_be_bytes([a, b, c, d]);
    let (low, lower) = (whole & 0x00ff_ffff, whole & 0xffff);
    let (high, rest) = (whole >> 16, whole & 0xffff);
    let dotted = format!("{a}.{b}.{c}.{d}");
    let full_width: String = dotted
        .chars()
        .map(|c| match c {
            '.' => '\u{3002}',
            digit => char::from_u32(0xFF10 + u32::from(digit) - u32::from('0')).expect("a digit"),
        })
        .collect();
    let encoded: String = dotted.bytes().map(|byte| format!("%{byte:02x}")).collect();
    vec![
        format!("{dotted}."),
        whole.to_string(),
        format!("0x{whole:x}"),
        format!("0X{whole:08X}"),
        format!("0{whole:o}"),
        format!("000000{whole:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x{a:x}.{b}.0{c:o}.{d}"),
        format!("{a}.{low}"),
        format!("0x{a:x}.0x{low:x}"),
        format!("{a}.{b}.{lower}"),
        format!("0{a:o}.{b}.0x{lower:x}"),
        full_width,
        encoded,
        format!("[::ffff:{dotted}]"),
        format!("[::ffff:{high:x}:{rest:x}]"),
        format!("[0:0:0:0:0:ffff:{high:04x}:{rest:04x}]"),
        format!("[::FFFF:{high:X}:{rest:X}]"),
        format!("[::ffff:0:{dotted}]"),
        format!("[::{dotted}]"),
        format!("[64:ff9b::{dotted}]"),
        format!("[64:ff9b::{high:x}:{rest:x}]"),
        format!("[64:ff9b:1::{high:x}:{rest:x}]"),
        format!("[2002:{high:x}:{rest:x}::]"),
        format!("[2002:{high:x}:{rest:x}::1]"),
        dotted,
    ]
}

#[tokio::test]
async fn inv_33_no_spelling_of_a_private_address_is_led_to() {
    let all: Vec<String> = NOWHERE.into_iter().flat_map(spellings).collect();
    assert!(all.len() >= 200);
    let (mut addresses, mut names, mut nonsense) = (0, 0, 0);
    let location = Arc::new(Mutex::new(String::new()));
    let listener = TcpListener::bind(SocketAddr::new(PUBLIC, 0)).await;
    let listener = listener.expect("loopback can be bound");
    let port = listener.local_addr().expect("it is bound").port();
    let answered = Arc::clone(&location);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let location = answered.lock().expect("no panic").clone();
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let script = Script::new([("registry.example", vec![PUBLIC])]);
    let upstream = upstream(port, Arc::<Script>::clone(&script));
    for spelling in &all {
        let target = format!("http://{spelling}:{port}/x.tgz");
        // As an address in a document or a redirect: no origin the configuration names.
        *location.lock().expect("no panic") = target.clone();
        let start = format!("http://registry.example:{port}/x.tgz");
        let outcome = fetch(&upstream, &start).await;
        let is_refused = matches!(
            outcome,
            Err(UpstreamError::ForeignOrigin { .. } | UpstreamError::Protocol { .. })
        );
        assert!(is_refused, "{spelling}: {outcome:?}");
        // As a host that is read as an address: one of those that are dropped.
        match Url::parse(&target).ok().as_ref().and_then(Url::host) {
            Some(Host::Ipv4(address)) => {
                assert!(is_private(address.into()), "{spelling}");
                addresses += 1;
            }
            Some(Host::Ipv6(address)) => {
                assert!(is_private(address.into()), "{spelling}");
                addresses += 1;
            }
            Some(Host::Domain(_)) => names += 1,
            None => nonsense += 1,
        }
    }
    // Nothing but the start was ever looked up.
    assert_eq!(script.asked.load(Ordering::SeqCst), all.len());
    println!(
        "{} spellings refused as redirects; read as addresses {addresses}, as names {names}, as \
         nothing {nonsense}",
        all.len()
    );
}

/// As what a name resolves to: in every form an answer can have, and among public ones.
#[tokio::test]
async fn inv_33_no_private_address_comes_out_of_the_resolver() {
    let public: IpAddr = "203.0.113.9".parse().expect("an address");
    let mut count = 0;
    for spelling in NOWHERE.into_iter().flat_map(spellings) {
        let Ok(url) = Url::parse(&format!("http://{spelling}/")) else {
            continue;
        };
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::from(address),
            Some(Host::Ipv6(address)) => IpAddr::from(address),
            _ => continue,
        };
        for (answer, expected) in [
            (vec![address], None),
            (vec![address, public], Some(vec![public])),
            (vec![public, address, address], Some(vec![public])),
        ] {
            let resolver = GuardedResolver {
                exempt: Arc::new(["proxy.example".to_owned()]),
                lookup: Script::new([("registry.example", answer)]),
                is_dropped: is_private,
            };
            let name = "registry.example".parse().expect("a name");
            let given = resolver.resolve(name).await;
            let given = given.map(|found| found.map(|socket| socket.ip()).collect::<Vec<_>>());
            assert_eq!(given.ok(), expected, "{spelling}");
            count += 1;
        }
    }
    assert!(count >= 600, "{count}");
}
