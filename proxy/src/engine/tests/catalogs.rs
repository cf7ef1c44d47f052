//! Lists of everything, and searches.

use cordon_tests::fake_registry::Fault;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_everything_is_read_once_for_all_who_ask() {
    const PROJECTS: usize = 200_000;
    let scene = Arc::new(Scene::new());
    let projects: Vec<String> = (0..PROJECTS)
        .map(|number| format!("{{\"name\":\"project-{number}\"}}"))
        .collect();
    let list = format!(
        "{{\"meta\":{{\"api-version\":\"1.0\"}},\"projects\":[{}]}}",
        projects.join(",")
    );
    let path = "/pypi/simple/";
    scene
        .registry
        .put(path, "application/vnd.pypi.simple.v1+json", list);
    let asking: Vec<_> = (0..32)
        .map(|_| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.get("pypi/simple/").await })
        })
        .collect();
    let mut made = Vec::new();
    for asking in asking {
        let got = asking.await.expect("no panic");
        assert_eq!(got.status, 200);
        made.push(got.document.expect("a document"));
    }
    made.push(
        scene
            .get("pypi/simple/")
            .await
            .document
            .expect("a document"),
    );
    made.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert_eq!(made.len(), 1, "read and rendered more than once");
    assert_eq!(scene.registry.log().gets(path), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_everything_is_stood_in_for() {
    let scene = Scene::new();
    let good = scene.get("pypi/simple/").await;
    assert_eq!(good.status, 200, "{}", good.text());
    scene.advance(Duration::from_secs(3600)).await;
    scene.registry.fault("/pypi/simple/", Fault::HtmlPage(200));
    let stale = scene.get("pypi/simple/").await;
    assert_eq!((stale.status, stale.is_stale), (200, true));
    assert_eq!(stale.body, good.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_searches_are_not_kept_on_disk() {
    let scene = Scene::new();
    for text in ["demo", "x8d1q", "other"] {
        let npm = scene.get(&format!("npm/-/v1/search?text={text}")).await;
        assert_eq!(npm.status, 200, "{}", npm.text());
    }
    scene.engine.finish().await;
    let documents = scene.stores.cache.documents().await.expect("readable");
    assert_eq!(documents, []);
}
