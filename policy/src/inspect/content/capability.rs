//! What code can do, by the names it does it with.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::token::Language;

/// Something code does that packages are hijacked for. One alone is mostly harmless; which ones
/// together are not is for [`SignalKind`](super::SignalKind).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Capability {
    /// Starts a program.
    Process,
    /// Connects to the network.
    Network,
    /// Writes files.
    Write,
    /// Deletes files.
    Delete,
    /// Makes a file executable.
    MakeExecutable,
    /// Takes all environment variables together.
    Environment,
    /// Reads an environment variable that holds a secret.
    SecretVariable,
    /// Takes credentials: names a file that holds them (`.aws/credentials`, a browser's store, a
    /// wallet), a command that tells them, or watches keyboard and screen.
    CredentialPath,
    /// Names a file that may hold secrets and often does not: `.env`, `.npmrc`.
    SettingsPath,
    /// Runs code that is made at run time.
    DynamicCode,
    /// Decodes a constant.
    Decode,
    /// Decodes a long constant: packed code or data.
    DecodeLong,
    /// Loads native code from a path.
    NativeCode,
    /// Names where programs are started from: cron, systemd, launch agents, run keys.
    Persistence,
    /// Names configuration that AI agents or editors act upon.
    AgentConfig,
    /// Runs an AI agent without its questions.
    AgentCommand,
    /// Puts itself between a program and its network.
    NetworkHook,
    /// Reaches for a wallet in the browser.
    Wallet,
    /// Reads or writes the clipboard.
    Clipboard,
    /// Publishes packages.
    Publish,
    /// Asks a cloud's metadata service, which hands out credentials.
    MetadataService,
    /// Names a host where anybody can have data sent: paste bins, web hooks, tunnels.
    DropHost,
    /// Holds a command that downloads and runs.
    DownloadCommand,
    /// Makes a page load a script from a host.
    RemoteScript,
    /// Names files of another package where packages are installed.
    ForeignPackage,
    /// Replaces a function of the language, the runtime or a library.
    Tap,
}

impl Capability {
    /// Every one with its name and one line about it, in order.
    pub const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Process, "process", "starts a program"),
        (Self::Network, "network", "connects to the network"),
        (Self::Write, "write", "writes files"),
        (Self::Delete, "delete", "deletes files"),
        (
            Self::MakeExecutable,
            "make-executable",
            "makes a file executable",
        ),
        (
            Self::Environment,
            "environment",
            "takes all environment variables",
        ),
        (
            Self::SecretVariable,
            "secret-variable",
            "reads a variable that holds a secret",
        ),
        (
            Self::CredentialPath,
            "credential-path",
            "takes credentials, or names a file that holds them",
        ),
        (
            Self::SettingsPath,
            "settings-path",
            "names a file that may hold secrets",
        ),
        (
            Self::DynamicCode,
            "dynamic-code",
            "runs code made at run time",
        ),
        (Self::Decode, "decode", "decodes a constant"),
        (Self::DecodeLong, "decode-long", "decodes a long constant"),
        (Self::NativeCode, "native-code", "loads native code"),
        (
            Self::Persistence,
            "persistence",
            "names where programs are started from",
        ),
        (
            Self::AgentConfig,
            "agent-config",
            "names configuration of AI agents or editors",
        ),
        (
            Self::AgentCommand,
            "agent-command",
            "runs an AI agent without its questions",
        ),
        (
            Self::NetworkHook,
            "network-hook",
            "replaces a network function",
        ),
        (Self::Wallet, "wallet", "reaches for a browser's wallet"),
        (Self::Clipboard, "clipboard", "uses the clipboard"),
        (Self::Publish, "publish", "publishes packages"),
        (
            Self::MetadataService,
            "metadata-service",
            "asks a cloud's metadata service",
        ),
        (
            Self::DropHost,
            "drop-host",
            "names a host where anybody can have data sent",
        ),
        (
            Self::DownloadCommand,
            "download-command",
            "holds a command that downloads and runs",
        ),
        (
            Self::RemoteScript,
            "remote-script",
            "makes a page load a script",
        ),
        (
            Self::ForeignPackage,
            "foreign-package",
            "names files of another package",
        ),
        (
            Self::Tap,
            "tap",
            "replaces a function of the language or a library",
        ),
    ];

    /// The stable name: `dynamic-code`.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(it, _, _)| *it == self)
            .map_or("", |(_, name, _)| name)
    }
}

/// What a name must be used for to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    /// Called.
    Call,
    /// Called with something that is not constant.
    CallOfUnknown,
    /// Called with a constant.
    CallOfConstant,
    /// Called with a longer constant somewhere in its arguments: data of the file's own.
    CallOfPacked,
    /// Mentioned.
    Mention,
}

type Entry = (&'static str, Capability, Used);

use Capability::{
    Clipboard, CredentialPath, Decode, Delete, DynamicCode, Environment, MakeExecutable,
    NativeCode, Network, Process, Tap, Wallet, Write,
};
use Used::{Call, CallOfConstant, CallOfPacked, CallOfUnknown, Mention};

/// Names of JavaScript. `~` stands before what is global; the others are of modules. `.*` stands
/// for every name of a module, and the module itself.
const JAVASCRIPT: &[Entry] = &[
    ("child_process.exec", Process, Call),
    ("child_process.execSync", Process, Call),
    ("child_process.execFile", Process, Call),
    ("child_process.execFileSync", Process, Call),
    ("child_process.spawn", Process, Call),
    ("child_process.spawnSync", Process, Call),
    ("child_process.fork", Process, Call),
    ("execa.*", Process, Call),
    ("cross-spawn.*", Process, Call),
    ("shelljs.exec", Process, Call),
    ("~Bun.spawn", Process, Call),
    ("~Bun.spawnSync", Process, Call),
    ("~Deno.run", Process, Call),
    ("~Deno.Command", Process, Call),
    ("internal/spawn_sync.spawn", Process, Call),
    ("internal/process_wrap.Process", Process, Call),
    ("~process.dlopen", NativeCode, Call),
    ("http.request", Network, Call),
    ("http.get", Network, Call),
    ("https.request", Network, Call),
    ("https.get", Network, Call),
    ("http2.connect", Network, Call),
    ("net.connect", Network, Call),
    ("net.createConnection", Network, Call),
    ("net.Socket", Network, Call),
    ("tls.connect", Network, Call),
    ("dgram.createSocket", Network, Call),
    ("dns.resolve", Network, Call),
    ("dns.resolve4", Network, Call),
    ("dns.resolveTxt", Network, Call),
    ("dns.lookup", Network, Call),
    ("dns.resolve6", Network, Call),
    ("dns.resolveAny", Network, Call),
    ("dns.Resolver", Network, Call),
    ("~fetch", Network, Call),
    ("~XMLHttpRequest", Network, Call),
    ("~WebSocket", Network, Call),
    ("~navigator.sendBeacon", Network, Call),
    ("axios.*", Network, Call),
    ("node-fetch.*", Network, Call),
    ("undici.request", Network, Call),
    ("undici.fetch", Network, Call),
    ("got.*", Network, Call),
    ("needle.*", Network, Call),
    ("superagent.*", Network, Call),
    ("request.*", Network, Call),
    ("follow-redirects.https.get", Network, Call),
    ("follow-redirects.https.request", Network, Call),
    ("ws.*", Network, Call),
    ("fs.writeFile", Write, Call),
    ("fs.writeFileSync", Write, Call),
    ("fs.appendFile", Write, Call),
    ("fs.appendFileSync", Write, Call),
    ("fs.createWriteStream", Write, Call),
    ("fs.copyFileSync", Write, Call),
    ("fs.copyFile", Write, Call),
    ("fs.outputFile", Write, Call),
    ("fs.outputFileSync", Write, Call),
    ("~Bun.write", Write, Call),
    ("fs.rm", Delete, Call),
    ("fs.rmSync", Delete, Call),
    ("fs.unlink", Delete, Call),
    ("fs.unlinkSync", Delete, Call),
    ("fs.rmdirSync", Delete, Call),
    ("fs.chmod", MakeExecutable, Call),
    ("fs.chmodSync", MakeExecutable, Call),
    ("~process.env", Environment, Mention),
    ("~eval", DynamicCode, CallOfUnknown),
    ("~Function", DynamicCode, CallOfUnknown),
    ("vm.runInThisContext", DynamicCode, Call),
    ("vm.runInNewContext", DynamicCode, Call),
    ("vm.runInContext", DynamicCode, Call),
    ("vm.Script", DynamicCode, Call),
    ("vm.compileFunction", DynamicCode, Call),
    ("~module._compile", DynamicCode, Call),
    ("~module.constructor", DynamicCode, Mention),
    ("module._compile", DynamicCode, Call),
    ("~Buffer.from", Decode, CallOfConstant),
    ("~Buffer", Decode, CallOfConstant),
    ("buffer.Buffer.from", Decode, CallOfConstant),
    ("~atob", Decode, CallOfConstant),
    ("~unescape", Decode, CallOfConstant),
    ("~ethereum", Wallet, Mention),
    ("~ethereum.request", Wallet, Mention),
    ("~solana", Wallet, Mention),
    ("~phantom", Wallet, Mention),
    ("~tronWeb", Wallet, Mention),
    ("~navigator.clipboard.readText", Clipboard, Mention),
    ("clipboardy.*", Clipboard, Call),
    ("crypto.createDecipher", Decode, Call),
    ("crypto.createDecipheriv", Decode, Call),
];

/// Names of Python.
const PYTHON: &[Entry] = &[
    ("subprocess.run", Process, Call),
    ("subprocess.Popen", Process, Call),
    ("subprocess.call", Process, Call),
    ("subprocess.check_call", Process, Call),
    ("subprocess.check_output", Process, Call),
    ("subprocess.getoutput", Process, Call),
    ("subprocess.getstatusoutput", Process, Call),
    ("os.system", Process, Call),
    ("os.popen", Process, Call),
    ("os.startfile", Process, Call),
    ("os.execv", Process, Call),
    ("os.execve", Process, Call),
    ("os.execvp", Process, Call),
    ("os.execl", Process, Call),
    ("os.spawnl", Process, Call),
    ("os.spawnv", Process, Call),
    ("os.posix_spawn", Process, Call),
    ("pty.spawn", Process, Call),
    ("asyncio.create_subprocess_exec", Process, Call),
    ("asyncio.create_subprocess_shell", Process, Call),
    ("os.execlp", Process, Call),
    ("os.execvpe", Process, Call),
    ("os.spawnlp", Process, Call),
    ("os.spawnvp", Process, Call),
    ("os.posix_spawnp", Process, Call),
    ("commands.getoutput", Process, Call),
    ("socket.gethostbyname", Network, Call),
    ("socket.gethostbyname_ex", Network, Call),
    ("socket.getaddrinfo", Network, Call),
    ("dns.resolver.resolve", Network, Call),
    ("dns.resolver.query", Network, Call),
    ("asyncio.open_connection", Network, Call),
    ("urllib.request.build_opener", Network, Call),
    ("httpx.put", Network, Call),
    ("httpx.stream", Network, Call),
    ("pycurl.Curl", Network, Call),
    ("xmlrpc.client.ServerProxy", Network, Call),
    ("discord_webhook.DiscordWebhook", Network, Call),
    ("dhooks.Webhook", Network, Call),
    ("telebot.TeleBot", Network, Call),
    ("zipfile.ZipFile.extractall", Write, Call),
    ("winreg.SetValueEx", Write, Call),
    ("win32crypt.CryptUnprotectData", CredentialPath, Call),
    ("browser_cookie3.*", CredentialPath, Call),
    ("pynput.keyboard.Listener", CredentialPath, Call),
    ("keyboard.on_press", CredentialPath, Call),
    ("PIL.ImageGrab.grab", CredentialPath, Call),
    ("pyautogui.screenshot", CredentialPath, Call),
    ("urllib.request.urlopen", Network, Call),
    ("urllib.request.urlretrieve", Network, Call),
    ("urllib.request.Request", Network, Call),
    ("urllib2.urlopen", Network, Call),
    ("requests.*", Network, Call),
    ("httpx.get", Network, Call),
    ("httpx.post", Network, Call),
    ("httpx.request", Network, Call),
    ("httpx.Client", Network, Call),
    ("httpx.AsyncClient", Network, Call),
    ("aiohttp.ClientSession", Network, Call),
    ("socket.socket", Network, Call),
    ("socket.create_connection", Network, Call),
    ("http.client.HTTPConnection", Network, Call),
    ("http.client.HTTPSConnection", Network, Call),
    ("urllib3.PoolManager", Network, Call),
    ("urllib3.request", Network, Call),
    ("ftplib.FTP", Network, Call),
    ("smtplib.SMTP", Network, Call),
    ("smtplib.SMTP_SSL", Network, Call),
    ("paramiko.SSHClient", Network, Call),
    ("websocket.create_connection", Network, Call),
    ("websockets.connect", Network, Call),
    ("asyncssh.connect", Network, Call),
    ("fabric.Connection", Network, Call),
    ("shutil.copy", Write, Call),
    ("shutil.copyfile", Write, Call),
    ("shutil.rmtree", Delete, Call),
    ("os.remove", Delete, Call),
    ("os.unlink", Delete, Call),
    ("os.chmod", MakeExecutable, Call),
    ("os.memfd_create", MakeExecutable, Call),
    ("os.environ", Environment, Mention),
    ("os.environ.items", Environment, Call),
    ("os.environ.copy", Environment, Call),
    ("~exec", DynamicCode, CallOfUnknown),
    ("~eval", DynamicCode, CallOfUnknown),
    ("~compile", DynamicCode, CallOfUnknown),
    ("~__import__", DynamicCode, CallOfUnknown),
    ("marshal.loads", DynamicCode, Call),
    ("runpy.run_path", DynamicCode, CallOfUnknown),
    ("pickle.loads", DynamicCode, CallOfPacked),
    ("dill.loads", DynamicCode, CallOfPacked),
    ("cloudpickle.loads", DynamicCode, CallOfPacked),
    ("types.FunctionType", DynamicCode, Call),
    ("types.CodeType", DynamicCode, Call),
    (
        "importlib.machinery.SourcelessFileLoader",
        DynamicCode,
        Call,
    ),
    ("base64.b64decode", Decode, CallOfConstant),
    ("base64.b32decode", Decode, CallOfConstant),
    ("base64.b85decode", Decode, CallOfConstant),
    ("base64.a85decode", Decode, CallOfConstant),
    ("base64.b16decode", Decode, CallOfConstant),
    ("base64.urlsafe_b64decode", Decode, CallOfConstant),
    ("base64.decodebytes", Decode, CallOfConstant),
    ("binascii.unhexlify", Decode, CallOfConstant),
    ("binascii.a2b_base64", Decode, CallOfConstant),
    ("codecs.decode", Decode, CallOfConstant),
    ("zlib.decompress", Decode, CallOfConstant),
    ("lzma.decompress", Decode, CallOfConstant),
    ("gzip.decompress", Decode, CallOfConstant),
    ("~bytes.fromhex", Decode, CallOfConstant),
    ("~bytearray.fromhex", Decode, CallOfConstant),
    ("ctypes.CDLL", NativeCode, Call),
    ("ctypes.WinDLL", NativeCode, Call),
    ("sys.meta_path.insert", Tap, Call),
    ("sys.meta_path.append", Tap, Call),
    ("ctypes.windll.kernel32.VirtualAlloc", NativeCode, Call),
    ("pyperclip.paste", Clipboard, Call),
    ("pyperclip.copy", Clipboard, Call),
];

/// Names of Rust, with dots between their parts.
const RUST: &[Entry] = &[
    ("std.process.Command.new", Process, Call),
    ("tokio.process.Command.new", Process, Call),
    ("async_process.Command.new", Process, Call),
    ("libc.execve", Process, Call),
    ("libc.execv", Process, Call),
    ("libc.execvp", Process, Call),
    ("libc.system", Process, Call),
    ("libc.fexecve", Process, Call),
    ("libc.memfd_create", MakeExecutable, Mention),
    ("libc.SYS_memfd_create", MakeExecutable, Mention),
    ("duct.cmd", Process, Call),
    ("std.net.TcpStream.connect", Network, Call),
    ("std.net.TcpStream.connect_timeout", Network, Call),
    ("std.net.UdpSocket.bind", Network, Call),
    ("tokio.net.TcpStream.connect", Network, Call),
    ("reqwest.*", Network, Call),
    ("ureq.*", Network, Call),
    ("isahc.*", Network, Call),
    ("attohttpc.*", Network, Call),
    ("minreq.*", Network, Call),
    ("surf.*", Network, Call),
    ("curl.easy.Easy.new", Network, Call),
    ("hyper.Client.new", Network, Call),
    ("hyper_util.client.legacy.Client.builder", Network, Call),
    ("std.fs.write", Write, Call),
    ("std.fs.File.create", Write, Call),
    ("std.fs.copy", Write, Call),
    ("std.fs.remove_file", Delete, Call),
    ("std.fs.remove_dir_all", Delete, Call),
    ("std.fs.set_permissions", MakeExecutable, Mention),
    ("std.fs.Permissions.from_mode", MakeExecutable, Call),
    ("std.env.vars", Environment, Call),
    ("std.env.vars_os", Environment, Call),
    ("libloading.Library.new", NativeCode, Call),
    ("libc.dlopen", NativeCode, Call),
    ("libc.mprotect", NativeCode, Call),
    ("hex.decode", Decode, CallOfConstant),
    ("base64.decode", Decode, CallOfConstant),
    ("arboard.Clipboard.new", Clipboard, Call),
];

type Table = BTreeMap<&'static str, (Capability, Used)>;

fn table(entries: &'static [Entry]) -> Table {
    let keyed = entries
        .iter()
        .map(|(name, what, used)| (*name, (*what, *used)));
    keyed.collect()
}

static TABLES: LazyLock<[Table; 3]> =
    LazyLock::new(|| [table(JAVASCRIPT), table(PYTHON), table(RUST)]);

fn entries(language: Language) -> &'static [Entry] {
    match language {
        Language::Python => PYTHON,
        Language::Rust => RUST,
        Language::JavaScript | Language::TypeScript | Language::Tsx => JAVASCRIPT,
    }
}

/// What a resolved name does, and how it must be used for that.
pub(super) fn of_name(language: Language, path: &str) -> Option<(Capability, Used)> {
    let [javascript, python, rust] = &*TABLES;
    let table = match language {
        Language::Python => python,
        Language::Rust => rust,
        Language::JavaScript | Language::TypeScript | Language::Tsx => javascript,
    };
    if let Some(found) = table.get(path) {
        return Some(*found);
    }
    if path.ends_with("._compile") && language.is_script() {
        return Some((DynamicCode, Call));
    }
    if path.starts_with("internal/") {
        return Some((NativeCode, Call));
    }
    if language.is_script() {
        // `[].constructor.constructor('…')`, `exec.call(null, …)`.
        if path.ends_with(".constructor.constructor") {
            return Some((DynamicCode, Call));
        }
        let called = path
            .strip_suffix(".call")
            .or_else(|| path.strip_suffix(".apply"));
        if let Some(called) = called {
            return of_name(language, called);
        }
    }
    if language == Language::Python
        && (path.ends_with(".write_text") || path.ends_with(".write_bytes"))
    {
        return Some((Write, Call));
    }
    let module = path.split('.').next().unwrap_or(path);
    table.get(format!("{module}.*").as_str()).copied()
}

/// What the names of a module are that matter: for imports of everything.
pub(super) fn names_of(language: Language, module: &str) -> impl Iterator<Item = &'static str> {
    let module = module.to_owned();
    let names = entries(language).iter().map(|(name, _, _)| *name);
    names.filter_map(move |name| {
        let rest = name.strip_prefix(module.as_str())?.strip_prefix('.')?;
        (!rest.contains('.') && rest != "*").then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_listed_in_order_under_a_name_of_its_own() {
        let listed: Vec<_> = Capability::ALL.iter().map(|(it, _, _)| *it).collect();
        assert!(listed.is_sorted());
        let names: std::collections::BTreeSet<_> = listed.iter().map(|it| it.name()).collect();
        assert_eq!(names.len(), listed.len());
        assert_eq!(Capability::DropHost.name(), "drop-host");
    }

    #[test]
    fn no_name_is_told_twice() {
        for list in [JAVASCRIPT, PYTHON, RUST] {
            assert_eq!(table(list).len(), list.len());
        }
    }
}
