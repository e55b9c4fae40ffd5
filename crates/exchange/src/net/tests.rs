//! Downloads from a server that fails in all the ways servers fail.

pub(crate) mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, mpsc},
    time::Duration,
};

use aleph_component::Digest;

use super::*;
use server::{Reply, Server};

/// Notes what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Monitor for Notes {
    fn event(&self, event: &Event<'_>) {
        let note = match event {
            Event::Planned { transfers, bytes } => format!("planned {transfers} {bytes}"),
            Event::Locked { .. } => "locked".to_owned(),
            Event::Started { present, .. } => format!("started {present}"),
            Event::Advanced { bytes, .. } => format!("advanced {bytes}"),
            Event::Restarted { .. } => "restarted".to_owned(),
            Event::Waiting { .. } => "waiting".to_owned(),
            Event::Retrying { .. } => "retrying".to_owned(),
            Event::Finished { origin, .. } => format!("finished {origin:?}"),
            Event::Failed { .. } => "failed".to_owned(),
        };
        self.0.lock().unwrap().push(note);
    }
}

impl Notes {
    fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|note| note.starts_with(what)).count()
    }

    /// How much of the file there is after everything that was told.
    fn sum(&self) -> u64 {
        self.0.lock().unwrap().iter().fold(0, |sum, note| match note.split_once(' ') {
            Some(("started", present)) => present.parse::<u64>().unwrap(),
            Some(("advanced", bytes)) => sum + bytes.parse::<u64>().unwrap(),
            None if note == "restarted" => 0,
            _ => sum,
        })
    }
}

fn settings() -> Settings {
    let any = HostOptions { proxy: Some(Proxy::Direct), ..HostOptions::default() };
    let http = SchemeOptions { any, ..SchemeOptions::default() };
    Settings { backoff: Duration::from_millis(1), http, ..Settings::default() }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

fn request(uri: &str, target: &Path, body: &[u8]) -> Request {
    Request {
        name: "x".to_owned(),
        uri: uri.parse().unwrap(),
        fallbacks: Vec::new(),
        target: target.to_owned(),
        expected: Expected::exactly(body.len() as u64, Digest::of(body)),
    }
}

/// Fetches `body` from `server` into a new directory, in which `partial` is already.
struct Trial {
    directory: tempfile::TempDir,
    notes: Notes,
    result: Result<Vec<Fetched>, FetchError>,
}

impl Trial {
    fn run(server: &Server, body: &[u8], partial: Option<&[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        if let Some(partial) = partial {
            fs::write(directory.path().join("x.partial"), partial).unwrap();
        }
        let notes = Notes::default();
        let requests = [request(&server.uri("/x"), &directory.path().join("x"), body)];
        let result = Fetcher::new(settings()).fetch(&requests, &notes);
        Self { directory, notes, result }
    }

    fn names(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into()).collect()
    }

    /// Everything went well, and the monitor was told the truth.
    fn check(&self, body: &[u8]) {
        assert!(self.result.is_ok(), "{:?}", self.result);
        assert_eq!(fs::read(self.directory.path().join("x")).unwrap(), body);
        assert_eq!(self.names(), [PathBuf::from("x")]);
        assert_eq!(self.notes.sum(), body.len() as u64);
        assert_eq!(self.notes.count("finished"), 1);
    }

    /// Nothing got the name it would have had.
    fn check_failed(&self, expected: fn(&FetchError) -> bool) {
        let error = self.result.as_ref().unwrap_err();
        assert!(expected(error), "{error:?}");
        assert!(!self.directory.path().join("x").exists());
        assert_eq!(self.notes.count("failed"), 1);
    }
}

#[test]
fn many_files_at_once() {
    let server = Server::start(|seen, _| Reply::ok(seen.path.repeat(5000)));
    let directory = tempfile::tempdir().unwrap();
    let path = |at: usize| directory.path().join(format!("sub/{at}"));
    let requests: Vec<_> = (0..40)
        .map(|at| request(&server.uri(&format!("/{at}")), &path(at), format!("/{at}").repeat(5000).as_bytes()))
        .collect();
    let fetched = Fetcher::new(settings()).fetch(&requests, &Silent).unwrap();
    assert_eq!(fetched.len(), 40);
    assert!((0..40).all(|at| fetched[at].path == path(at) && path(at).exists()));
    assert_eq!(fs::read_dir(directory.path().join("sub")).unwrap().count(), 40);
    // The second time nothing is asked.
    let again = Fetcher::new(settings()).fetch(&requests, &Silent).unwrap();
    assert!(again.iter().all(|fetched| fetched.origin == Origin::Cache));
    assert_eq!(server.seen().len(), 40);
}

#[test]
fn trouble_of_the_server_passes() {
    for status in [500, 503, 429] {
        let server = Server::start(move |_, before| match before {
            0 | 1 => Reply::status(status).with("Retry-After", "0"),
            _ => Reply::ok("body"),
        });
        let trial = Trial::run(&server, b"body", None);
        trial.check(b"body");
        assert_eq!(trial.notes.count("retrying"), 2);
    }
}

#[test]
fn trouble_that_does_not_pass_ends() {
    let server = Server::start(|_, _| Reply::status(503));
    let trial = Trial::run(&server, b"body", None);
    trial.check_failed(|error| matches!(error, FetchError::Status { status: 503, .. }));
    assert_eq!(server.seen().len(), 4);
    assert_eq!(trial.result.unwrap_err().advice(), Advice::TryLater);
}

#[test]
fn truncated_bodies_are_resumed() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |seen, before| {
        let cut = (before < 3).then_some(70_000);
        Reply { cut, ..Reply::part(seen, &served, "\"v1\"") }
    });
    let trial = Trial::run(&server, &body, None);
    trial.check(&body);
    let ranges: Vec<_> = server.seen().iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    let wanted = [None, Some("bytes=70000-"), Some("bytes=140000-"), Some("bytes=210000-")];
    assert_eq!(ranges, wanted.map(|range| range.map(str::to_owned)));
    assert_eq!(server.seen()[1].header("if-range"), Some("\"v1\""));
    assert_eq!(trial.notes.count("restarted"), 0);
}

#[test]
fn a_file_that_changes_meanwhile_begins_again() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |seen, before| match before {
        0 => Reply { cut: Some(70_000), ..Reply::part(seen, &vec![1; 300_000], "\"old\"") },
        _ => Reply::part(seen, &served, "\"new\""),
    });
    let trial = Trial::run(&server, &body, None);
    trial.check(&body);
    assert_eq!(trial.notes.count("restarted"), 1);
}

#[test]
fn what_an_earlier_run_left_is_used() {
    let body = content(200_000);
    let served = body.clone();
    let server = Server::start(move |seen, _| Reply::part(seen, &served, "\"v\""));
    let trial = Trial::run(&server, &body, Some(&body[..150_000]));
    trial.check(&body);
    assert_eq!(server.seen()[0].header("range"), Some("bytes=150000-"));
    assert_eq!(trial.result.as_ref().unwrap()[0].transferred, 50_000);
    // All of it.
    let trial = Trial::run(&server, &body, Some(&body));
    trial.check(&body);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn what_an_earlier_run_left_may_be_wrong() {
    let body = content(200_000);
    for left in [vec![9; 150_000], vec![9; 200_000], vec![9; 300_000]] {
        let served = body.clone();
        let server = Server::start(move |seen, _| Reply::part(seen, &served, "\"v\""));
        Trial::run(&server, &body, Some(&left)).check(&body);
    }
    // A server that knows nothing of ranges.
    let served = body.clone();
    let server = Server::start(move |_, _| Reply::ok(served.clone()));
    Trial::run(&server, &body, Some(&body[..1000])).check(&body);
}

#[test]
fn something_else_gets_no_name() {
    let server = Server::start(|_, _| Reply::ok("evil"));
    let trial = Trial::run(&server, b"good", None);
    trial.check_failed(|error| matches!(error, FetchError::WrongDigest { .. }));
    assert_eq!(trial.names(), Vec::<PathBuf>::new());
    let seen = server.seen();
    assert_eq!((seen.len(), seen[1].header("cache-control")), (2, Some("no-cache")));
    assert_eq!(trial.result.unwrap_err().advice(), Advice::UpdateSources);
}

#[test]
fn another_size_is_noticed_before_anything_is_written() {
    let server = Server::start(|_, _| Reply::ok(vec![0; 1_000_000]));
    let trial = Trial::run(&server, b"good", None);
    trial.check_failed(|error| matches!(error, FetchError::WrongSize { expected: 4, found: 1_000_000, .. }));
    assert_eq!(trial.notes.count("advanced"), 0);
    // Even if the server does not say how much will come.
    let server = Server::start(|_, _| Reply { unannounced: true, ..Reply::ok(vec![0; 1_000_000]) });
    let trial = Trial::run(&server, b"good", None);
    trial.check_failed(|error| matches!(error, FetchError::TooLarge { limit: 4, .. }));
    assert_eq!(trial.notes.count("advanced"), 0);
    let server = Server::start(|_, _| Reply { unannounced: true, ..Reply::ok("x") });
    Trial::run(&server, b"good", None).check_failed(|error| matches!(error, FetchError::Truncated { found: 1, .. }));
}

#[test]
fn what_is_not_there_is_asked_for_once() {
    let check = |status, expected: fn(&FetchError) -> bool, advice| {
        let server = Server::start(move |_, _| Reply::status(status));
        let trial = Trial::run(&server, b"good", None);
        trial.check_failed(expected);
        assert_eq!(server.seen().len(), 1);
        assert_eq!(trial.result.unwrap_err().advice(), advice);
    };
    check(404, |error| matches!(error, FetchError::NotFound { .. }), Advice::UpdateSources);
    check(403, |error| matches!(error, FetchError::Refused { status: 403, .. }), Advice::CheckCredentials);
    check(401, |error| matches!(error, FetchError::Refused { status: 401, .. }), Advice::CheckCredentials);
    check(400, |error| matches!(error, FetchError::Status { status: 400, .. }), Advice::TryLater);
}

#[test]
fn other_addresses_are_tried() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/c" => Reply::ok("good"),
        "/b" => Reply::ok("evil"),
        _ => Reply::status(404),
    });
    let directory = tempfile::tempdir().unwrap();
    let mut request = request(&server.uri("/a"), &directory.path().join("x"), b"good");
    request.fallbacks = ["/b", "/c"].map(|path| server.uri(path).parse().unwrap()).to_vec();
    Fetcher::new(settings()).fetch(&[request], &Silent).unwrap();
    assert_eq!(server.paths(), ["/a", "/b", "/b", "/c"]);
}

/// Of several addresses that fail, the first of which there is more to say than that the file is not there.
#[test]
fn the_first_failure_that_says_something_is_told() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/evil" | "/worse" => Reply::ok("evil"),
        "/forbidden" => Reply::status(403),
        _ => Reply::status(404),
    });
    let check = |paths: [&str; 3], expected: &str| {
        let directory = tempfile::tempdir().unwrap();
        let mut request = request(&server.uri(paths[0]), &directory.path().join("x"), b"good");
        request.fallbacks = paths[1..].iter().map(|path| server.uri(path).parse().unwrap()).collect();
        let error = Fetcher::new(settings()).fetch(&[request], &Silent).unwrap_err().to_string();
        assert!(error.contains(&server.uri(expected)), "{error}");
    };
    check(["/a", "/evil", "/b"], "/evil");
    check(["/forbidden", "/evil", "/worse"], "/evil");
    check(["/a", "/forbidden", "/b"], "/a");
}

#[test]
fn a_failure_ends_it_although_another_transfer_hangs() {
    let (release, hang) = mpsc::channel::<()>();
    let (hanging, hangs) = mpsc::channel::<()>();
    let (hang, hangs) = (Mutex::new(hang), Mutex::new(hangs));
    let server = Server::start(move |seen, _| match seen.path.as_str() {
        "/missing" => {
            hangs.lock().unwrap().recv().unwrap();
            Reply::status(404)
        }
        _ => {
            hanging.send(()).unwrap();
            let _ = hang.lock().unwrap().recv();
            Reply::ok("body")
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let requests =
        ["/hangs", "/missing"].map(|path| request(&server.uri(path), &directory.path().join(&path[1..]), b"body"));
    let mut settings = settings();
    settings.http.any.timeout = Some(Duration::from_secs(3600));
    let error = Fetcher::new(settings).fetch(&requests, &Silent).unwrap_err();
    assert!(matches!(error, FetchError::NotFound { .. }), "{error:?}");
    drop(release);
}

#[test]
fn failures_of_one_do_not_keep_the_others() {
    let server = Server::start(|seen, _| if seen.path == "/1" { Reply::status(404) } else { Reply::ok("body") });
    let directory = tempfile::tempdir().unwrap();
    let requests: Vec<_> = (0..3)
        .map(|at| request(&server.uri(&format!("/{at}")), &directory.path().join(at.to_string()), b"body"))
        .collect();
    let results = Fetcher::new(settings()).fetch_each(&requests, &Silent);
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn offline_means_offline() {
    let server = Server::start(|_, _| Reply::ok("body"));
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("x");
    let wanted = [request(&server.uri("/x"), &target, b"body")];
    let error = Fetcher::offline().fetch(&wanted, &Silent).unwrap_err();
    assert!(matches!(error, FetchError::Offline { .. }));
    assert_eq!(error.advice(), Advice::GoOnline);
    assert_eq!(server.seen().len(), 0);
    fs::write(&target, "body").unwrap();
    assert_eq!(Fetcher::offline().fetch(&wanted, &Silent).unwrap()[0].origin, Origin::Cache);
    let local = format!("file://{}", target.display());
    let copy = directory.path().join("copy");
    Fetcher::offline().fetch(&[request(&local, &copy, b"body")], &Silent).unwrap();
    assert_eq!(fs::read(copy).unwrap(), b"body");
}

#[test]
fn local_files() {
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("a b"), directory.path().join("x"));
    let uri = format!("copy://{}", source.display().to_string().replace(' ', "%20"));
    let fetch = |body: &[u8]| Fetcher::new(settings()).fetch(&[request(&uri, &target, body)], &Silent);
    assert!(matches!(fetch(b"body"), Err(FetchError::NotFound { .. })));
    fs::write(&source, "evil").unwrap();
    assert!(matches!(fetch(b"body"), Err(FetchError::WrongDigest { .. })));
    fs::write(&source, "body").unwrap();
    fs::write(directory.path().join("x.partial"), "bad").unwrap();
    fetch(b"body").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"body");
}

#[test]
fn redirects() {
    let check = |to: &str, expected: fn(&Result<Vec<Fetched>, FetchError>) -> bool| {
        let to = to.to_owned();
        let server = Server::start(move |seen, _| match seen.path.as_str() {
            "/x" => Reply::status(302).with("Location", to.clone()),
            "/loop" => Reply::status(307).with("Location", "/loop"),
            _ => Reply::ok("body"),
        });
        let trial = Trial::run(&server, b"body", None);
        assert!(expected(&trial.result), "{:?}", trial.result);
    };
    check("/y", Result::is_ok);
    check("y?z=1", Result::is_ok);
    check("/loop", |result| matches!(result, Err(FetchError::Redirects { limit: 10, .. })));
    check("file:///etc/passwd", |result| matches!(result, Err(FetchError::BadRedirect { .. })));
    check("ftp://mirror.example/", |result| matches!(result, Err(FetchError::BadRedirect { .. })));
}

#[test]
fn proxies() {
    let proxy = Server::start(|seen, _| match seen.path.as_str() {
        "http://mirror.example/x" => Reply::ok("body"),
        _ => Reply::status(407),
    });
    let through = |proxy: String, uri: &str| {
        let mut settings = settings();
        settings.http.any.proxy = Some(Proxy::Url(proxy));
        let directory = tempfile::tempdir().unwrap();
        Fetcher::new(settings).fetch(&[request(uri, &directory.path().join("x"), b"body")], &Silent)
    };
    through(proxy.uri("/"), "http://mirror.example/x").unwrap();
    let refused = through(proxy.uri("/"), "http://mirror.example/y").unwrap_err();
    assert!(matches!(refused, FetchError::Refused { status: 407, .. }), "{refused:?}");
    assert_eq!(refused.advice(), Advice::CheckProxy);
    let silent = through("http://user:secret@127.0.0.1:1/".to_owned(), "http://mirror.example/x").unwrap_err();
    assert!(matches!(silent, FetchError::Proxy { .. }), "{silent:?}");
    assert!(!format!("{silent:?}").contains("secret"), "{silent:?}");
}

#[test]
fn nobody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let wanted = [request("http://127.0.0.1:1/x", &directory.path().join("x"), b"body")];
    let notes = Notes::default();
    let error = Fetcher::new(settings()).fetch(&wanted, &notes).unwrap_err();
    assert!(matches!(error, FetchError::Connect { .. }), "{error:?}");
    assert_eq!((notes.count("retrying"), error.advice()), (3, Advice::CheckNetwork));
}

#[test]
fn two_that_want_the_same_do_it_once() {
    let body = content(500_000);
    let served = body.clone();
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let server = Server::start(move |_, _| {
        let _ = hang.lock().unwrap().recv();
        Reply::ok(served.clone())
    });
    let directory = tempfile::tempdir().unwrap();
    let wanted = request(&server.uri("/x"), &directory.path().join("x"), &body);
    let origins = Mutex::new(Vec::new());
    /// Lets the server go on once somebody waits.
    struct Release(Mutex<Option<mpsc::Sender<()>>>);
    impl Monitor for Release {
        fn event(&self, event: &Event<'_>) {
            if matches!(event, Event::Waiting { .. }) {
                self.0.lock().unwrap().take();
            }
        }
    }
    let monitor = Release(Mutex::new(Some(release)));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let fetched = Fetcher::new(settings()).fetch(std::slice::from_ref(&wanted), &monitor).unwrap();
                origins.lock().unwrap().push(fetched[0].origin);
            });
        }
    });
    let origins = origins.into_inner().unwrap();
    assert!(origins.contains(&Origin::Cache) && origins.contains(&Origin::Source), "{origins:?}");
    assert_eq!(server.seen().len(), 1);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn credentials_go_where_they_belong() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/moved/x" => Reply::status(301).with("Location", "/x"),
        _ => Reply::ok("body"),
    });
    let credential = |path: &str, scheme| Credential {
        scheme,
        host: "127.0.0.1".to_owned(),
        port: Some(server.port),
        path: path.to_owned(),
        login: "u".to_owned(),
        password: "p".to_owned(),
    };
    let sent = |credentials, uri: String| {
        let directory = tempfile::tempdir().unwrap();
        let fetcher = Fetcher::new(Settings { credentials, ..settings() });
        fetcher.fetch(&[request(&uri, &directory.path().join("x"), b"body")], &Silent).unwrap();
        server.seen().last().unwrap().header("authorization").map(str::to_owned)
    };
    let expected = Some("Basic dTpw".to_owned());
    assert_eq!(sent(vec![credential("/x", Some(Scheme::Http))], server.uri("/x")), expected);
    assert_eq!(sent(vec![credential("/y", Some(Scheme::Http))], server.uri("/x")), None);
    assert_eq!(sent(vec![credential("", None)], server.uri("/x")), None);
    assert_eq!(sent(vec![credential("/moved", Some(Scheme::Http))], server.uri("/moved/x")), None);
    assert_eq!(sent(Vec::new(), server.uri("/x").replace("//", "//u:p@")), expected);
}

#[test]
fn documents_only_if_they_changed() {
    let server = Server::start(|seen, _| match seen.header("if-none-match") {
        Some("\"1\"") => Reply::status(304),
        _ => Reply::ok("text").with("ETag", "\"1\"").with("Last-Modified", "then"),
    });
    let get = |known, limit| {
        let uri = server.uri("/x").parse().unwrap();
        let request = DocumentRequest { name: "x".to_owned(), uri, known, limit, accept: None };
        Fetcher::new(settings()).get(&[request], &Silent).remove(0)
    };
    let Answer::Document { bytes, validators } = get(Validators::default(), 4).unwrap() else { panic!("unchanged") };
    assert_eq!((&bytes[..], validators.last_modified.as_deref()), (&b"text"[..], Some("then")));
    assert_eq!(get(validators, 4).unwrap(), Answer::Unchanged);
    assert!(matches!(get(Validators::default(), 3), Err(FetchError::TooLarge { limit: 3, .. })));
}

#[test]
fn a_directory_that_cannot_be_written_is_said() {
    let server = Server::start(|_, _| Reply::ok("body"));
    let error = Fetcher::new(settings()).fetch(&[request(&server.uri("/x"), Path::new("/proc/x"), b"body")], &Silent);
    let error = error.unwrap_err();
    assert!(matches!(error, FetchError::Io { .. }), "{error:?}");
    assert_eq!(error.advice(), Advice::CheckFiles);
}
