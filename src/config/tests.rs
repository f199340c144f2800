//! The file, the variables and the flags together.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use tempfile::TempDir;

use super::Config;
use super::load::{FlagValue, LoadOptions, Loaded, Origin, load};

const REFERENCE: &str = include_str!("../../relay.toml");

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn options(&self, text: &str, mode: u32, variables: &[(&str, &str)]) -> LoadOptions {
        let file = Some(self.write("relay.toml", text, mode));
        let pair = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        LoadOptions { file, variables: variables.iter().map(pair).collect(), flags: Vec::new() }
    }
}

/// The problems, with the folder's name cut off.
fn problems(folder: &Folder, options: &LoadOptions) -> Vec<String> {
    let error = load(options).expect_err("has problems");
    let prefix = format!("{}/", folder.0.path().display());
    error.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

fn check(text: &str, mode: u32, variables: &[(&str, &str)], expected: &[&str]) {
    let folder = Folder::new();
    let found = problems(&folder, &folder.options(text, mode, variables));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

fn good(text: &str, mode: u32, variables: &[(&str, &str)]) -> Loaded {
    let folder = Folder::new();
    load(&folder.options(text, mode, variables)).unwrap()
}

#[test]
fn the_reference_says_the_defaults() {
    let parsed: Config = toml::from_str(REFERENCE).unwrap();
    assert_eq!(parsed, Config::default());
    assert_eq!(good(REFERENCE, 0o644, &[]).config, Config::default());
    assert_eq!(good("", 0o644, &[]).config, Config::default());
}

/// Serde tells every key of a section when it is asked for one that is not there.
#[test]
fn the_reference_names_every_setting_and_its_variable() {
    let keys = |document: &str| -> Vec<String> {
        let error = Config::deserialize(toml::Deserializer::parse(document).unwrap()).unwrap_err();
        let (_, expected) = error.message().split_once("expected").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let sections = keys("nothing = 1");
    assert_eq!(sections.len(), 20, "{sections:?}");
    let lists = ["application", "event_type", "endpoint", "source", "alert", "proxy"];
    for section in sections {
        if lists.contains(&section.as_str()) {
            assert!(REFERENCE.contains(&format!("# [[{section}]]\n")));
            for key in keys(&format!("[[{section}]]\nnothing = 1")) {
                assert!(REFERENCE.contains(&format!(" {key} = ")), "{section}.{key}");
            }
            continue;
        }
        assert!(REFERENCE.contains(&format!("\n[{section}]\n")), "{section}");
        for key in keys(&format!("[{section}]\nnothing = 1")) {
            let variable = format!("RELAY__{section}__{key}\n").to_uppercase();
            assert!(REFERENCE.contains(&variable), "{variable}");
            let shown = REFERENCE.contains(&format!("{key} = "))
                || REFERENCE.contains(&format!("{key}_file = "));
            assert!(shown, "{section}.{key}");
        }
    }
}

#[test]
fn what_the_reference_declares_in_comments_is_right() {
    let start = REFERENCE.find("# [[application]]").unwrap();
    let declared = REFERENCE[start..].replace("\n# ", "\n").replacen("# ", "", 1);
    let folder = Folder::new();
    let key = folder.write("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0o600);
    let token = folder.write("token", "0123456789abcdef\n", 0o600);
    let chat = folder.write("chat", "https://hooks.slack.com/services/T/B/x\n", 0o600);
    let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let text = BASE64.encode(certificate.der());
    let [first, last] = ["BEGIN", "END"].map(|word| format!("-----{word} CERTIFICATE-----"));
    let pem = format!("{first}\n{text}\n{last}\n");
    let authority = folder.write("ca", &pem, 0o644);
    let script = folder.write("to-slack.js", "function handler(w) { return w }", 0o644);
    let books = folder.write("books.toml", "[auth]\ntype = 'bearer'\ntoken = 't'\n", 0o600);
    // One of the two ways to say it.
    let declared = declared.replace("transform = { steps = [ { pick = \"data\" } ] } ", "# ");
    let files = [
        ("to-slack.js", &script),
        ("acme-books", &key),
        ("books.toml", &books),
        ("stripe", &key),
        ("own", &key),
        ("shop-url", &token),
        ("slack-url", &chat),
        ("mail-ca.pem", &authority),
        ("mail-password", &token),
    ];
    let declared = files.iter().fold(declared, |text, (name, path)| {
        text.replace(&format!("/etc/relay/{name}\""), &format!("{}\"", path.display()))
    });
    let loaded = load(&folder.options(&declared, 0o644, &[])).unwrap();
    assert_eq!(loaded.config.endpoints.len(), 1);
    let delivery = loaded.config.endpoints[0].delivery().unwrap();
    assert!(delivery.cloud_events && delivery.auth.is_some());
    assert!(loaded.secrets.endpoint_key("acme", "acme-books").is_some());
    assert_eq!(loaded.secrets.endpoint_key("default", "acme-books"), None);
    assert_eq!(loaded.config.declared_sources.len(), 2);
    assert_eq!(loaded.secrets.sources["shop"].secrets.len(), 1);
    assert!(loaded.secrets.sources["shop"].token.is_some());
    assert!(loaded.secrets.alerts["ops"].url.is_some());
    assert!(loaded.secrets.alerts["mail"].password.is_some());
}

#[test]
fn later_sources_stand_over_earlier_ones() {
    let folder = Folder::new();
    let text = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 3\ndrain = \"1s\"\n";
    let variables =
        [("RELAY__SERVER__LISTEN", "127.0.0.1:2"), ("RELAY__SERVER__DRAIN", "2s"), ("HOME", "/")];
    let mut options = folder.options(text, 0o644, &variables);
    let value = "127.0.0.1:3".to_owned();
    options.flags = vec![FlagValue { flag: "--listen", setting: ("server", "listen"), value }];
    let loaded = load(&options).unwrap();
    assert_eq!(loaded.config.server.listen.port(), 3);
    assert_eq!(loaded.config.server.workers, 3);
    assert_eq!(loaded.config.server.drain.to_string(), "2s");
    let origins: Vec<_> = loaded.origins.into_iter().collect();
    let line = Origin::File { path: folder.0.path().join("relay.toml"), line: 3 };
    assert_eq!(
        origins,
        [
            ("server.drain".to_owned(), Origin::Variable("RELAY__SERVER__DRAIN".to_owned())),
            ("server.listen".to_owned(), Origin::Flag("--listen".to_owned())),
            ("server.workers".to_owned(), line),
        ]
    );
}

#[test]
fn every_problem_of_every_source_is_told() {
    check(
        "[server]\nlisen = 1\nworkers = 0\n[delivery]\nretry_schedule = []\njitter = 0.7\n\
         timeout = \"0s\"\n[guard]\nallow = [\"10.0.0.1/8\"]\n[log]\nlevel = \"loud\"\n",
        0o644,
        &[("RELAY__DELIVERY__THREADS", "5000"), ("RELAY__SERVER__WORKER", "2")],
        &[
            "relay.toml:2:1: unknown field `lisen`",
            "relay.toml:9:10: `10.0.0.1/8` has bits beyond its prefix",
            "RELAY__SERVER__WORKER: unknown field `worker`",
            "relay.toml:3:11: 0 is out of range, 1 to 256 is right",
            "relay.toml:5:18: is empty",
            "relay.toml:6:10: 0.7 is out of range",
            "relay.toml:7:11: 0s is out of range, 100ms to 10m is right",
            "RELAY__DELIVERY__THREADS: 5000 is out of range",
            "relay.toml:11:9: `loud` is none of off, error",
        ],
    );
}

#[test]
fn settings_that_do_not_go_together() {
    check(
        "[intake]\nmax_body = \"3 MiB\"\nmax_in_flight = \"2 MiB\"\n",
        0o644,
        &[("RELAY__RETENTION__MAX_BYTES", "255 MiB")],
        &[
            "data.segment_size: 64 MiB is out of range, 96 MiB (32 times",
            "relay.toml:3:17: 2 MiB is less than intake.max_body, 3 MiB",
            "RELAY__RETENTION__MAX_BYTES: 255 MiB is less than 4 journal segments",
        ],
    );
    let public = [("RELAY__SERVER__PUBLIC_URL", "ftp://h.example")];
    check("", 0o644, &public, &["RELAY__SERVER__PUBLIC_URL: must be http"]);
    let small = [("RELAY__DELIVERY__RESPONSE_LIMIT", "600 KiB")];
    let words = "RELAY__DELIVERY__RESPONSE_LIMIT: 600 KiB is more than a 64th of data.segment_size";
    check("[data]\nsegment_size = \"32 MiB\"\n", 0o644, &small, &[words]);
    let jitter = [("RELAY__DELIVERY__JITTER", "nan")];
    check("", 0o644, &jitter, &["RELAY__DELIVERY__JITTER: NaN is out of range"]);
}

#[test]
fn secrets_and_the_files_that_hold_them() {
    let inline = "[auth]\noperator_key = \"an-operator-key-of-mine\"\n";
    let loaded = good(inline, 0o600, &[]);
    let key = loaded.secrets.operator_key.as_ref().unwrap();
    assert_eq!(key.expose(), b"an-operator-key-of-mine");
    assert!(!format!("{loaded:?}").contains("of-mine"));
    let open = "relay.toml:2:16: relay.toml holds a secret and is open to others (mode 640)";
    check(inline, 0o640, &[], &[open]);
    // A key from the environment is no matter of the file's mode.
    let variable = [("RELAY__AUTH__OPERATOR_KEY", "an-operator-key-of-mine")];
    assert!(good("", 0o644, &variable).secrets.operator_key.is_some());
    check("[auth]\njwt_secret = \"short\"\n", 0o600, &[], &["relay.toml:2:14: a secret for"]);
    check("[data]\nsealing_key = \"AAAA\"\n", 0o600, &[], &["relay.toml:2:15: a sealing key is"]);
    let both = "[auth]\njwt_secret = \"long-enough-secret\"\njwt_secret_file = \"f\"\n";
    check(both, 0o600, &[], &["relay.toml:3:19: both jwt_secret and jwt_secret_file are set"]);
    let gone = "[auth]\njwt_secret_file = \"/nowhere/secret\"\n";
    check(gone, 0o600, &[], &["relay.toml:2:19: can't read /nowhere/secret: No such file"]);
    let endpoint = "[[endpoint]]\nuid = \"e\"\nurl = \"https://h.example\"\nsecret = \"hush\"\n";
    check(
        endpoint,
        0o644,
        &[],
        &["relay.toml:4:10: a key begins with whsec_", "relay.toml:4:10: relay.toml holds"],
    );
}

#[test]
fn problems_of_headers_and_urls_show_no_secret() {
    let text = "[[endpoint]]\nuid = \"e\"\nurl = \"https://an:na:hush%00@h.example\"\n\
                [endpoint.headers]\n\"X-Key\" = \"hush\\n\"\n";
    let folder = Folder::new();
    let found = problems(&folder, &folder.options(text, 0o600, &[]));
    assert!(found[0].starts_with("relay.toml:3:7: `https://…@h.example`: the URL holds a user"));
    assert!(found[1].starts_with("relay.toml:5:11: its value may hold"), "{found:?}");
    assert!(!found.concat().contains("hush"), "{found:?}");
}

#[test]
fn secret_files_and_credentials() {
    let folder = Folder::new();
    let path = folder.write("jwt", "long-enough-secret\n", 0o600);
    let variables = [("RELAY__AUTH__JWT_SECRET_FILE", path.to_str().unwrap())];
    let loaded = load(&folder.options("", 0o644, &variables)).unwrap();
    assert_eq!(loaded.secrets.jwt_secret.unwrap().expose(), b"long-enough-secret");
    folder.write("jwt", "long-enough-secret\n", 0o644);
    let found = problems(&folder, &folder.options("", 0o644, &variables));
    assert!(found[0].starts_with("RELAY__AUTH__JWT_SECRET_FILE: jwt holds a secret"), "{found:?}");
    // Systemd's files show group bits and are private all the same.
    folder.write("operator_key", "an-operator-key-of-mine\n", 0o440);
    let credentials = [("CREDENTIALS_DIRECTORY", folder.0.path().to_str().unwrap())];
    let loaded = load(&folder.options("", 0o644, &credentials)).unwrap();
    assert_eq!(loaded.secrets.operator_key.unwrap().expose(), b"an-operator-key-of-mine");
    folder.write("sealing_key", "\n", 0o400);
    let found = problems(&folder, &folder.options("", 0o644, &credentials));
    assert_eq!(found, ["sealing_key: sealing_key is empty"]);
}

#[test]
fn previous_sealing_keys() {
    let [one, two] = ["AQ", "Ag"].map(|begin| format!("{begin}{}=", "A".repeat(41)));
    let given = |folder: &Folder, text: &str, variables: &[(&str, &str)]| {
        let loaded = load(&folder.options(text, 0o600, variables)).unwrap();
        let keys = loaded.secrets.previous_sealing_keys;
        keys.iter().map(|key| key.expose()[0]).collect::<Vec<_>>()
    };
    let folder = Folder::new();
    let inline = format!("[data]\nprevious_sealing_keys = [\"{one}\", \"{two}\"]\n");
    assert_eq!(given(&folder, &inline, &[]), [1, 2]);
    let words = format!("{two},{one}");
    assert_eq!(given(&folder, "", &[("RELAY__DATA__PREVIOUS_SEALING_KEYS", &words)]), [2, 1]);
    let path = folder.write("previous_sealing_keys", &format!("{one}\n{two}\n"), 0o600);
    let file = [("RELAY__DATA__PREVIOUS_SEALING_KEYS_FILE", path.to_str().unwrap())];
    assert_eq!(given(&folder, "", &file), [1, 2]);
    let credentials = [("CREDENTIALS_DIRECTORY", folder.0.path().to_str().unwrap())];
    assert_eq!(given(&folder, "", &credentials), [1, 2]);
    let found = problems(&folder, &folder.options(&inline, 0o600, &file));
    assert!(found[0].contains("both previous_sealing_keys and"), "{found:?}");
    let found = problems(&folder, &folder.options(&inline, 0o644, &[]));
    assert!(found[0].contains("holds a secret and is open") && !found[0].contains(&one));
    let wrong = inline.replacen("AQ", "A", 1);
    let found = problems(&folder, &folder.options(&wrong, 0o600, &[]));
    assert!(found[0].starts_with("relay.toml:2:26: a sealing key is 32"), "{found:?}");
    let many = format!("[data]\nprevious_sealing_keys = [{}]\n", format!("\"{one}\",").repeat(17));
    let found = problems(&folder, &folder.options(&many, 0o600, &[]));
    assert!(found[0].contains("are more than 16"), "{found:?}");
}

#[test]
fn a_file_that_is_not_there() {
    let file = Some(Path::new("/nowhere/relay.toml").to_owned());
    let error = load(&LoadOptions { file, ..LoadOptions::default() }).unwrap_err();
    let shown = error.to_string();
    assert!(shown.starts_with("/nowhere/relay.toml: can't read it: No such file"), "{shown}");
}

#[test]
fn the_portal() {
    let folder = Folder::new();
    let logo = folder.write("logo.svg", "<svg/>", 0o644);
    let text = format!(
        "[portal]\nname = \"Acme\"\nlogo = \"{}\"\naccent = \"#0B6B57\"\ntheme = \"dark\"\n\
         frame_ancestors = [\"https://app.example\", \"http://localhost:3000/\"]\n",
        logo.display()
    );
    let portal = load(&folder.options(&text, 0o644, &[])).unwrap().config.portal;
    assert_eq!(portal.accent.to_string(), "#0b6b57");
    assert_eq!(portal.read_logo().unwrap().unwrap().kind, "image/svg+xml");
    let origins: Vec<_> = portal.frame_ancestors.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://app.example", "http://localhost:3000"]);
    let variable = [("RELAY__PORTAL__FRAME_ANCESTORS", "https://a.example, https://b.example")];
    assert_eq!(good("", 0o644, &variable).config.portal.frame_ancestors.len(), 2);
}

#[test]
fn what_the_portal_does_not_take() {
    check(
        "[portal]\nname = \" \"\nlogo = \"/nowhere/logo.svg\"\naccent = \"#ffcc00\"\n\
         accent_dark = \"#202020\"\n",
        0o644,
        &[],
        &[
            "relay.toml:2:8: has 1 characters, 1 to 60 are right",
            "relay.toml:4:10: #ffcc00 on #f1f3f6 has a contrast of 1.36, and text needs 4.5: \
             take a darker one",
            "relay.toml:5:15: #202020 on #191d23 has a contrast of 1.04, and text needs 4.5: \
             take a lighter one",
            "relay.toml:3:8: can't read /nowhere/logo.svg: No such file",
        ],
    );
    check(
        "[portal]\ntheme = \"blue\"\naccent = \"red\"\n\
         frame_ancestors = [\"https://app.example\", \"https://*.app.example\", \"'self'\"]\n",
        0o644,
        &[],
        &[
            "relay.toml:2:9: unknown variant `blue`",
            "relay.toml:3:10: `red` is not a colour, write it like \"#2454c4\"",
            "relay.toml:4:43: `https://*.app.example` is a pattern",
            "relay.toml:4:68: `'self'` is not an origin",
        ],
    );
    let folder = Folder::new();
    for (bytes, part) in [
        (vec![b'x'; 65_537], "is larger than 64 KiB"),
        (b"GIF89a".to_vec(), "is neither a PNG nor an SVG"),
    ] {
        let path = folder.0.path().join("logo");
        fs::write(&path, bytes).unwrap();
        let text = format!("[portal]\nlogo = \"{}\"\n", path.display());
        let found = problems(&folder, &folder.options(&text, 0o644, &[]));
        assert!(
            found[0].starts_with("relay.toml:2:8: logo") && found[0].contains(part),
            "{found:?}"
        );
    }
    let plain = [("RELAY__PORTAL__FRAME_ANCESTORS", "http://app.example")];
    check("", 0o644, &plain, &["RELAY__PORTAL__FRAME_ANCESTORS: [0]: `http://app.example` is not"]);
}
