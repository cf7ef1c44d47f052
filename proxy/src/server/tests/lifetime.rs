//! Time-outs, limits and the end of the process (INV-39, INV-41, INV-44).

use super::*;

fn short() -> ServerSettings {
    ServerSettings {
        header_timeout: Duration::from_millis(150),
        idle_timeout: Duration::from_millis(600),
        write_timeout: Duration::from_millis(300),
        drain_timeout: Duration::from_millis(300),
        ..settings()
    }
}

async fn closes(stream: &mut TcpStream) -> Duration {
    let began = std::time::Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("closed");
    began.elapsed()
}

#[tokio::test]
async fn inv_41_a_client_that_sends_no_whole_head_is_closed() {
    let server = start(short()).await;
    // Nothing at all; the start of HTTP/2's preface, which is also the start of a method; a head
    // without its end; a second head without its end.
    let whole = "GET /npm/a HTTP/1.1\r\nhost: a\r\n\r\n";
    let second = format!("{whole}GET /npm/a HTTP/1.1\r\nhost:");
    for sent in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET /npm/a HTTP/1.1\r\nhost:",
        &second,
    ] {
        let mut stream = server.connect().await;
        stream.write_all(sent.as_bytes()).await.expect("writes");
        let took = closes(&mut stream).await;
        assert!(
            took < Duration::from_millis(550),
            "{sent:?} held for {took:?}"
        );
    }
}

#[tokio::test]
async fn inv_41_dripping_does_not_lengthen_the_time_for_a_head() {
    let server = start(short()).await;
    let mut stream = server.connect().await;
    let began = std::time::Instant::now();
    let mut drip = tokio::time::interval(Duration::from_millis(20));
    while began.elapsed() < PATIENCE {
        drip.tick().await;
        if stream.write_all(b"x").await.is_err() {
            break;
        }
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "took {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn inv_41_the_parsers_timer_is_installed() {
    // With the looks at idleness out of the way, only hyper's own timer can close this.
    let settings = ServerSettings {
        header_timeout: PATIENCE,
        ..short()
    };
    let server = start(settings).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /npm/a HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .expect("writes");
    let took = closes(&mut stream).await;
    assert!(
        took >= Duration::from_millis(550) && took < PATIENCE / 2,
        "{took:?}"
    );
}

#[tokio::test]
async fn inv_41_a_client_that_takes_nothing_is_cut() {
    let server = start(short()).await;
    let mut stalled = server.connect().await;
    stalled
        .write_all(b"GET /npm/large HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .expect("writes");
    let closed = async {
        while !server.metrics.encode().contains("\ncordon_connections 0\n") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(server.get("/npm/other").await.ends_with("other"));
    timeout(PATIENCE, closed)
        .await
        .expect("the stalled connection is closed");
    let mut rest = Vec::new();
    let ended = stalled.read_to_end(&mut rest).await;
    assert!(
        ended.is_err() && (rest.len() as u64) < LARGE_BYTES,
        "reset, not ended"
    );
}

#[tokio::test]
async fn a_slow_service_is_no_idleness() {
    let server = start(short()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /npm/slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .expect("writes");
    server.fake.asked.notified().await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    server.fake.release.notify_one();
    assert!(read_to_end(&mut stream).await.ends_with("slow"));
}

#[tokio::test]
async fn at_the_limit_connections_wait_for_a_place() {
    let settings = ServerSettings {
        connections: 2,
        connections_per_address: 2,
        ..settings()
    };
    let server = start(settings).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET /npm/slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .expect("writes");
        server.fake.asked.notified().await;
        held.push(stream);
    }
    let mut third = server.connect().await;
    third
        .write_all(b"GET /npm/third HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .expect("writes");
    let mut byte = [0];
    assert!(
        timeout(Duration::from_millis(200), third.read(&mut byte))
            .await
            .is_err()
    );
    server.fake.release.notify_waiters();
    assert!(read_to_end(&mut third).await.ends_with("third"));
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let settings = ServerSettings {
        connections: 64,
        connections_per_address: 2,
        ..settings()
    };
    let server = start(settings).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET /npm/slow HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .expect("writes");
        server.fake.asked.notified().await;
        held.push(stream);
    }
    let mut third = server.connect().await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, third.read_to_end(&mut rest))
        .await
        .expect("closed at once");
    assert!(rest.is_empty());
    assert!(
        server
            .metrics
            .encode()
            .contains("cordon_connections_refused_total{cause=\"address\"} 1")
    );
}

#[tokio::test]
async fn inv_44_running_requests_finish_and_nothing_new_begins() {
    let server = start(ServerSettings {
        drain_timeout: PATIENCE,
        ..settings()
    })
    .await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /npm/a HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .expect("writes");
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("answered");
    let mut running = server.connect().await;
    running
        .write_all(b"GET /npm/slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .expect("writes");
    server.fake.asked.notified().await;

    server.shutdown.begin();
    closes(&mut idle).await;
    assert!(TcpStream::connect(server.address).await.is_err());
    server.fake.release.notify_one();
    let text = read_to_end(&mut running).await;
    assert!(
        text.ends_with("slow") && text.contains("connection: close"),
        "{text}"
    );
    let drained = timeout(PATIENCE, server.ended)
        .await
        .expect("ends")
        .expect("no panic");
    assert_eq!(drained, Drained { aborted: 0 });
}

#[tokio::test]
async fn inv_44_what_runs_at_the_deadline_is_reset_not_ended() {
    for is_second_signal in [false, true] {
        let server = start(ServerSettings {
            drain_timeout: if is_second_signal {
                PATIENCE
            } else {
                Duration::from_millis(100)
            },
            ..settings()
        })
        .await;
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET /npm/large HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .expect("writes");
        let mut begun = [0; 1024];
        stream.read_exact(&mut begun).await.expect("begins");
        server.shutdown.begin();
        if is_second_signal {
            server.shutdown.abort();
        }
        let drained = timeout(PATIENCE, server.ended)
            .await
            .expect("ends")
            .expect("no panic");
        assert_eq!(drained, Drained { aborted: 1 });
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .expect("ends");
        assert_eq!(
            ended.expect_err("reset").kind(),
            std::io::ErrorKind::ConnectionReset
        );
    }
}
