//! Log output: one event is one line, as text or JSON, with everything escaped (INV-54).
//!
//! Neither form is left to a library's formatter, because those escape what their format demands
//! and let direction marks and C1 controls through.

use std::fmt;

use cordon_storage::Chain;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use super::escape::{write_json, write_plain, write_value};
use crate::config::LogConfig;

/// Starts logging to standard error for the whole process, and sends panics the same way.
///
/// # Errors
/// If the filter is not one, or logging was started before.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    let subscriber = subscriber(config, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, "panicked: {message}");
    }));
    Ok(())
}

/// The subscriber with another place to write to.
pub fn subscriber<W>(
    config: &LogConfig,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| LogError::Filter {
        filter: config.filter.clone(),
        error: error.to_string(),
    })?;
    let form = Form {
        is_json: config.is_json,
    };
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        // It would be told on standard error, by way of a panic when nobody reads that.
        .log_internal_errors(false)
        .fmt_fields(form)
        .event_format(form)
        .with_writer(writer);
    Ok(tracing_subscriber::registry().with(filter).with(layer))
}

/// Logging could not be started.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error("log filter `{filter}`: {error}; write e.g. `info` or `info,cordon=debug`")]
    Filter {
        /// As configured.
        filter: String,
        /// What is wrong.
        error: String,
    },
    /// Somebody was first.
    #[error("logging was already started")]
    Twice,
}

#[derive(Clone, Copy, Debug)]
struct Form {
    is_json: bool,
}

impl<S, N> FormatEvent<S, N> for Form
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Collected::new(self.is_json);
        event.record(&mut fields);
        let mut spans = String::new();
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let extensions = span.extensions();
            let recorded = extensions
                .get::<FormattedFields<N>>()
                .map_or("", |f| f.fields.as_str());
            if !spans.is_empty() {
                spans.push(':');
            }
            spans.push_str(span.name());
            if !recorded.is_empty() {
                spans.push_str(&format!("{{{recorded}}}"));
            }
        }
        let metadata = event.metadata();
        let now = jiff::Timestamp::now();
        let now = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        if self.is_json {
            write!(
                writer,
                "{{\"time\":\"{now}\",\"level\":\"{}\",\"target\":",
                metadata.level()
            )?;
            write_json(&mut writer, metadata.target())?;
            writer.write_str(",\"message\":")?;
            write_json(&mut writer, &fields.message)?;
            if !spans.is_empty() {
                writer.write_str(",\"spans\":")?;
                write_json(&mut writer, &spans)?;
            }
            writeln!(writer, "{}}}", fields.rest)
        } else {
            write!(writer, "{now} {:5} ", metadata.level())?;
            write_plain(&mut writer, &fields.message)?;
            writer.write_str(&fields.rest)?;
            if !spans.is_empty() {
                writer.write_char(' ')?;
                write_plain(&mut writer, &spans)?;
            }
            writeln!(writer)
        }
    }
}

/// Fields of spans, always as text: in JSON they are one string.
impl<'writer> FormatFields<'writer> for Form {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut collected = Collected::new(false);
        fields.record(&mut collected);
        writer.write_str(collected.rest.trim_start())
    }
}

/// The message, and the other fields already written.
struct Collected {
    is_json: bool,
    message: String,
    rest: String,
}

impl Collected {
    fn new(is_json: bool) -> Self {
        Self {
            is_json,
            message: String::new(),
            rest: String::new(),
        }
    }

    fn push(&mut self, field: &Field, value: &str) {
        self.name(field);
        // Writing to a string does not fail.
        let _ = if self.is_json {
            write_json(&mut self.rest, value)
        } else {
            write_value(&mut self.rest, value)
        };
    }

    fn name(&mut self, field: &Field) {
        let _ = if self.is_json {
            self.rest.push(',');
            write_json(&mut self.rest, field.name()).map(|()| self.rest.push(':'))
        } else {
            self.rest.push(' ');
            write_plain(&mut self.rest, field.name()).map(|()| self.rest.push('='))
        };
    }

    /// Numbers and truth values need no quotes in either form.
    fn push_bare(&mut self, field: &Field, value: &dyn fmt::Display) {
        self.name(field);
        self.rest.push_str(&value.to_string());
    }
}

impl Visit for Collected {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.push(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.record_str(field, &text);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, &Chain(value).to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_bare(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_bare(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_bare(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.push_bare(field, &value);
        } else {
            self.push(field, &value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::super::escape::is_hostile;
    use super::super::fields;
    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(is_json: bool, emit: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let config = LogConfig {
            filter: "info".to_owned(),
            is_json,
        };
        let subscriber = subscriber(&config, move || writer.clone()).expect("a filter");
        tracing::subscriber::with_default(subscriber, emit);
        let bytes = buffer.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    const HOSTILE: &str = "x\n2026 ERROR forged\u{1b}[2J\u{202e}\u{9b}31m\u{2028}";

    fn emit_hostile() {
        let span = tracing::info_span!("work", from = HOSTILE);
        let _entered = span.enter();
        tracing::info!(
            { fields::AGENT } = HOSTILE,
            { fields::COUNT } = 3,
            "served {HOSTILE}"
        );
        tracing::debug!("filtered");
    }

    #[test]
    fn inv_54_one_event_is_one_line_of_text() {
        let text = logged(false, emit_hostile);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line = text.trim_end_matches('\n');
        assert!(!line.chars().any(is_hostile), "{line}");
        assert!(
            line.contains(" INFO  served x\\n2026 ERROR forged\\u{1b}[2J"),
            "{line}"
        );
        assert!(
            line.contains(" count=3 ") && line.contains(" agent=\"x\\n2026"),
            "{line}"
        );
    }

    #[test]
    fn inv_54_one_event_is_one_line_of_json() {
        let text = logged(true, emit_hostile);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            !text.trim_end_matches('\n').chars().any(is_hostile),
            "{text}"
        );
        let event: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(event["agent"], HOSTILE);
        assert_eq!(event["count"], 3);
        assert_eq!(event["message"], format!("served {HOSTILE}"));
        assert_eq!(event["level"], "INFO");
        let time = event["time"].as_str().expect("a time");
        time.parse::<jiff::Timestamp>().expect("RFC 3339");
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        let cause = std::io::Error::other("disk gone");
        let error = cordon_storage::StorageError::io("blob", "reading a blob", cause);
        let text = logged(false, || {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "stopped");
        });
        assert!(
            text.contains(
                "error=\"reading a blob in the blob store: input or output failed: disk gone\""
            ),
            "{text}"
        );
    }

    #[test]
    fn a_bad_filter_names_itself() {
        let config = LogConfig {
            filter: "cordon=loud".to_owned(),
            is_json: false,
        };
        let error = subscriber(&config, std::io::stderr).err().expect("refused");
        assert!(error.to_string().contains("`cordon=loud`"), "{error}");
    }
}
