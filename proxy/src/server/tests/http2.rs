//! HTTP/2 in the clear, as a client with prior knowledge speaks it, and floods of frames.

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a small frame")
        .to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET http://a/npm/x` as literal header fields.
fn head(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (index, value) in [(4u8, path), (1, "a")] {
        block.push(index);
        block.push(u8::try_from(value.len()).expect("short"));
        block.extend(value.as_bytes());
    }
    block
}

/// The error code of the `GOAWAY` among frames received.
fn goaway(mut bytes: &[u8]) -> Option<u32> {
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        if head[3] == 7 {
            return Some(u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?));
        }
        bytes = rest;
    }
    None
}

const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Sends a flood made of repeated `round`s until the server has enough of it, and says so.
async fn ends_flood(round: impl Fn(u32) -> Vec<u8>) {
    let server = start(settings()).await;
    let stream = server.connect().await;
    let (mut reader, mut writer) = stream.into_split();
    let mut bytes = Vec::new();
    let send = async {
        writer.write_all(PREFACE).await?;
        writer.write_all(&frame(4, 0, 0, &[])).await?;
        for index in 0..200_000 {
            writer.write_all(&round(index)).await?;
        }
        std::io::Result::Ok(())
    };
    let read = reader.read_to_end(&mut bytes);
    // Whether sending fails depends on how much the goodbye swallows.
    let (_, read) = timeout(PATIENCE, async { tokio::join!(send, read) })
        .await
        .expect("the connection is closed");
    drop(read);
    assert_eq!(goaway(&bytes), Some(ENHANCE_YOUR_CALM));
    assert!(server.get("/npm/other").await.ends_with("other"));
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy()
        .build()
        .expect("a client")
}

#[tokio::test]
async fn http2_in_the_clear_is_answered_with_the_same_headers() {
    let server = start(settings()).await;
    let url = format!("http://{}/npm/blocked", server.address);
    let response = client().get(url).send().await.expect("answered");
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-cordon-decision"], "700000000000");
    assert!(!response.headers().contains_key("connection"));
    assert_eq!(response.text().await.expect("a body"), "{\"error\":\"no\"}");
}

#[tokio::test]
async fn a_damaged_artifact_ends_its_stream_with_an_error() {
    let server = start(settings()).await;
    let client = client();
    let url = format!("http://{}/npm/damaged", server.address);
    let response = client.get(url).send().await.expect("a head");
    assert!(response.bytes().await.is_err());
    let url = format!("http://{}/npm/next", server.address);
    let next = client.get(url).send().await.expect("answered");
    assert_eq!(next.text().await.expect("a body"), "next");
}

#[tokio::test]
async fn h32_rapid_reset_closes_the_connection() {
    ends_flood(|index| {
        let stream = index * 2 + 1;
        let mut round = frame(1, 0x5, stream, &head("/npm/slow"));
        round.extend(frame(3, 0, stream, &8u32.to_be_bytes()));
        round
    })
    .await;
}

#[tokio::test]
async fn h33_made_you_reset_closes_the_connection() {
    ends_flood(|index| {
        let stream = index * 2 + 1;
        let mut round = frame(1, 0x5, stream, &head("/npm/slow"));
        // A window beyond its limit is that stream's error, for which the server must reset it.
        round.extend(frame(8, 0, stream, &0x7fff_ffffu32.to_be_bytes()));
        round
    })
    .await;
}

#[tokio::test]
async fn h34_a_continuation_flood_closes_the_connection() {
    ends_flood(|index| match index {
        0 => frame(1, 0x1, 1, &head("/npm/slow")),
        _ => frame(9, 0, 1, &[0, 1, b'x', 1, b'y']),
    })
    .await;
}

#[tokio::test]
async fn h36_an_endless_header_list_closes_the_connection() {
    let large: Vec<u8> = [&[0x40, 1, b'x', 0x7f, 0xbd, 0x1d][..], &[b'y'; 3900]].concat();
    ends_flood(move |index| {
        let stream = index * 2 + 1;
        let mut block = head("/npm/a");
        block.extend(&large);
        // The field stands in the table now: one byte repeats four thousand.
        block.extend([0xbe; 4000]);
        frame(1, 0x5, stream, &block)
    })
    .await;
}

#[tokio::test]
async fn h35_endless_empty_data_frames_close_the_connection() {
    ends_flood(|index| match index {
        0 => frame(1, 0x4, 1, &head("/npm/slow")),
        _ => frame(0, 0, 1, &[]),
    })
    .await;
}

#[tokio::test]
async fn h36_a_zero_window_holds_nothing_for_long() {
    let server = start(ServerSettings {
        header_timeout: Duration::from_millis(200),
        write_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(200),
        ..settings()
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(PREFACE).await.expect("writes");
    // INITIAL_WINDOW_SIZE 0: not one byte of a body may be sent.
    stream
        .write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]))
        .await
        .expect("writes");
    stream
        .write_all(&frame(1, 0x5, 1, &head("/npm/large")))
        .await
        .expect("writes");
    let (mut reader, mut writer) = stream.split();
    // Pings are answered: the client is alive, it only takes nothing.
    let answer_pings = async {
        loop {
            let mut head = [0; 9];
            reader.read_exact(&mut head).await?;
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            reader.read_exact(&mut payload).await?;
            if head[3] == 6 && head[4] == 0 {
                writer.write_all(&frame(6, 1, 0, &payload)).await?;
            }
        }
        #[expect(unreachable_code, reason = "names the type of the errors")]
        std::io::Result::Ok(())
    };
    timeout(PATIENCE, answer_pings)
        .await
        .expect("closed")
        .expect_err("reset");
}
