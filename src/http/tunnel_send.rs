//! `/tunnel/send` (seed 001): what the clients of tunnels send.
//!
//! ```text
//! POST /tunnel/send -> datagrams -> Submit or DirectSend, each to its gateway
//! ```

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::gateway::peers::Target;
use crate::gateway::submit::{DirectSend, Sequence, Submit, Taken, TakenSender};
use crate::http::admission::{self, Admission, Cors};
use crate::http::fault;
use crate::http::tunnel::{expired, wrong};
use turntable_core::id::{SessionId, UserId};
use turntable_core::packet::{ClientMessage, ClientPacket, ErrorBody, JoinChannel};
use turntable_core::reason::ErrorCode;
use turntable_wire::datagram::{
    self, BatchLimits, Interest, InterestPath, Sent, SentError, SentTo,
};
use turntable_wire::json_v1;

/// The function that data for one tunnel calls at its client.
const RECEIVE: &str = "tunnel:receive";

/// How a request numbers its datagrams.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbering {
    /// It does not.
    None,
    /// The first has this number.
    From(u64),
    /// Its client does not know its numbers, and asks (`n=unknown`).
    Unknown,
}

impl Numbering {
    /// The number of the first datagram. One that is not known leaves a gap behind
    /// whatever was taken.
    const fn first(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::From(number) => Some(number),
            Self::Unknown => Some(u64::MAX),
        }
    }
}

/// `POST /tunnel/send` and `GET /tunnel/send?d=`
pub async fn send(request: HttpRequest, body: web::Payload, admission: Admission) -> HttpResponse {
    let cors = match admission.cors(&request) {
        Ok(cors) => cors,
        Err(error) => return admission::refuse(&error, &Cors::of_refused(request.headers())),
    };
    let text = match *request.method() {
        Method::OPTIONS => return admission::preflight("GET, POST", &cors),
        Method::GET => from_query(&request).and_then(|text| admission.bounded(text)),
        Method::POST => match admission::wrong_type(request.headers(), &cors) {
            None => admission.body(&request, body).await,
            Some(answer) => return answer,
        },
        _ => return admission::wrong_method("GET, POST", &cors),
    };
    let limits = BatchLimits {
        batch_max: admission.shared.settings.get().transport.tunnel.batch_max,
        message: json_v1::DecodeLimits {
            depth_max: admission.shared.settings.get().session.depth_max,
        },
    };
    let decoded = text.and_then(|text| Ok((datagram::decode(&text, &limits)?, text.len())));
    let (batch, length) = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return admission::refuse(&error, &cors),
    };
    let own = admission::session_of(request.headers());
    let (numbering, attempt) = match numbering(&request) {
        Ok(numbering) => numbering,
        Err(error) => return admission::refuse(&error, &cors),
    };
    let mut number = numbering.first();
    let named = own.as_deref().and_then(|own| SessionId::parse(own).ok());
    let first = batch.entries.iter().find_map(tunnel_of);
    // Those of sessions that are over do not wait for others.
    let is_known = |entry: &Result<Sent, SentError>| {
        let tunnel = named.or_else(|| tunnel_of(entry)).or(first);
        tunnel.is_some_and(|tunnel| admission.locate(tunnel).is_some())
    };
    let known = batch.entries.iter().filter(|entry| is_known(entry)).count();
    // Retained until all of them were taken.
    let _ticket = match admission.ticket(known).await {
        Ok(ticket) => ticket,
        Err(error) => return admission::refuse(&error, &cors),
    };
    // Each datagram is charged its share of the body.
    let bytes = length / batch.entries.len().max(1);
    // All of them are on their way before the first is waited for, so that what
    // they lead to is written together.
    let on_their_way: Vec<_> = batch
        .entries
        .into_iter()
        .map(|entry| {
            let is_counted = is_counted(&entry);
            let this = Sequence {
                number: number.filter(|_| is_counted),
                attempt,
            };
            if is_counted {
                number = number.map(|number| number.saturating_add(1));
            }
            let tunnel = named.or_else(|| tunnel_of(&entry)).or(first);
            let submitted = match entry {
                Ok(sent) => submit(sent, bytes, this, own.as_deref(), &admission),
                Err(error) => Err(error.body),
            };
            match submitted {
                Ok(taken) => (Some(taken), Ok(())),
                Err(error) if is_counted => (count_refused(this, tunnel, &admission), Err(error)),
                Err(error) => (None, Err(error)),
            }
        })
        .collect();
    let mut results = Vec::with_capacity(on_their_way.len());
    for (taken, result) in on_their_way {
        let taken = match taken {
            Some(taken) => match await_taken(taken).await {
                Some(taken) => taken,
                None => {
                    let error = admission.dropped(expired());
                    if error.code == ErrorCode::Unavailable {
                        // The request as a whole: of a list that is answered the client would
                        // take each datagram as read.
                        return admission::refuse(&error, &cors);
                    }
                    Err(error)
                }
            },
            None => Ok(()),
        };
        results.push(match (taken, result) {
            // What is refused behind a gap is not counted either.
            (Err(error), Err(_)) if error.code == ErrorCode::Conflict => Err(error),
            (_, Err(error)) => Err(error),
            (taken, Ok(())) => taken,
        });
    }
    // A gap is before the first that has a number, or nowhere.
    let gap = results.iter().filter_map(|result| result.as_ref().err());
    if let Some(gap) = gap
        .into_iter()
        .find(|error| error.code == ErrorCode::Conflict)
    {
        if numbering == Numbering::Unknown {
            let body = fault::body(gap);
            let details = body.pointer("/error/details");
            return admission::prepare(HttpResponse::Ok(), &cors).json(details);
        }
        return admission::refuse(gap, &cors);
    }
    if !batch.is_array
        && let Some(Err(error)) = results.first()
    {
        return admission::refuse(error, &cors);
    }
    let mut answers = results.iter().map(|result| match result {
        Ok(()) => serde_json::json!({"ok": true}),
        Err(error) => fault::body(error),
    });
    let mut answer = admission::prepare(HttpResponse::Ok(), &cors);
    if batch.is_array {
        answer.json(answers.collect::<Vec<_>>())
    } else {
        answer.json(answers.next())
    }
}

fn from_query(request: &HttpRequest) -> Result<String, ErrorBody> {
    #[derive(Deserialize)]
    struct Datagrams {
        d: String,
    }
    web::Query::<Datagrams>::from_query(request.query_string())
        .map(|query| query.into_inner().d)
        .map_err(|_| wrong("d must be a datagram, or a list of them, as JSON"))
}

/// The number of the first datagram (`n`) and the attempt that they belong to (`attempt`).
/// Numbers are counted from 1 over the life of the
/// session as `welcome` counts them (`accepted`), so `idme`, `time`, `resume` and `bye`
/// have none.
fn numbering(request: &HttpRequest) -> Result<(Numbering, Option<u32>), ErrorBody> {
    #[derive(Deserialize)]
    struct Numbered {
        n: Option<String>,
        attempt: Option<String>,
    }
    let query = web::Query::<Numbered>::from_query(request.query_string())
        .map_err(|_| wrong("the query cannot be read: give each parameter once"))?;
    let Numbered { n, attempt } = query.into_inner();
    let attempt = admission::attempt(attempt.as_deref())?;
    let numbering = match n.as_deref().map(|n| (n, n.parse())) {
        None => Numbering::None,
        Some((_, Ok(number @ 1..))) => Numbering::From(number),
        Some(("unknown", _)) => Numbering::Unknown,
        Some(_) => {
            return Err(wrong(
                "n is the number of the first datagram, from 1, or unknown",
            ));
        }
    };
    Ok((numbering, attempt))
}

/// The tunnel that an entry names.
fn tunnel_of(entry: &Result<Sent, SentError>) -> Option<SessionId> {
    match entry {
        Ok(sent) => Some(sent.tunnel),
        Err(error) => error.tunnel,
    }
}

/// Whether an entry has a number: all have but the commands that sessions do not
/// count.
const fn is_counted(entry: &Result<Sent, SentError>) -> bool {
    match entry {
        Ok(Sent {
            to: SentTo::Server(message),
            ..
        }) => message.packet.is_counted(),
        _ => true,
    }
}

/// A datagram that is refused here, or cannot be read, counts all the same.
fn count_refused(
    sequence: Sequence,
    tunnel: Option<SessionId>,
    admission: &Admission,
) -> Option<oneshot::Receiver<Taken>> {
    let session = tunnel?;
    let (target, gateway) = admission.locate(session)?;
    // Nothing counts before there is a session.
    let Target::Session(_) = target else {
        return None;
    };
    let (taken, is_taken) = oneshot::channel();
    gateway.do_send(Submit {
        session,
        target,
        users: Vec::new(),
        commands: Vec::new(),
        bytes: 0,
        sequence,
        taken: TakenSender(taken),
    });
    Some(is_taken)
}

/// Hands one datagram to where it belongs, which answers what became of it.
fn submit(
    sent: Sent,
    bytes: usize,
    sequence: Sequence,
    own: Option<&str>,
    admission: &Admission,
) -> Result<oneshot::Receiver<Taken>, ErrorBody> {
    if own.is_some_and(|own| own != sent.tunnel.secret()) {
        return Err(foreign(
            "this tunnel is not the session that the request names",
        ));
    }
    let (target, gateway) = admission.locate(sent.tunnel).ok_or_else(expired)?;
    let alone = |packet| Ok(ClientMessage { id: None, packet });
    let mut users = Vec::new();
    let commands = match sent.to {
        SentTo::Server(message) => vec![Ok(*message)],
        SentTo::Channel { channel, data } => vec![alone(ClientPacket::Publish { channel, data })],
        SentTo::Interest { add, remove } => interest(&sent.tunnel, add, remove, &mut users)?
            .into_iter()
            .map(alone)
            .collect(),
        SentTo::Tunnel { tunnel, data } => {
            if !matches!(target, Target::Session(_)) {
                return Err(unidentified());
            }
            let (receiver, _) = admission.locate(tunnel).ok_or_else(expired)?;
            let (taken, is_taken) = oneshot::channel();
            gateway.do_send(DirectSend {
                from: Some(target),
                to: receiver,
                function: RECEIVE,
                data,
                sequence,
                taken: TakenSender(taken),
            });
            return Ok(is_taken);
        }
    };
    let (taken, is_taken) = oneshot::channel();
    gateway.do_send(Submit {
        session: sent.tunnel,
        target,
        users,
        commands,
        bytes,
        sequence,
        taken: TakenSender(taken),
    });
    Ok(is_taken)
}

/// What became of a datagram; `None` where its gateway dropped it.
async fn await_taken(taken: oneshot::Receiver<Taken>) -> Option<Result<(), ErrorBody>> {
    Some(match taken.await.ok()? {
        Taken::Yes => Ok(()),
        Taken::Full => Err(ErrorBody::new(
            ErrorCode::TooMany,
            "too many commands of this tunnel wait to be carried out; send it again later",
        )),
        Taken::Unidentified => Err(unidentified()),
        Taken::TooOften(error) => Err(*error),
        Taken::Gap(accepted) => Err(ErrorBody::new(
            ErrorCode::Conflict,
            "commands before these are missing; repeat those behind accepted",
        )
        .with("accepted", accepted)),
        Taken::Foreign => Err(foreign("the path of a user is for that user's own tunnels")),
        Taken::Gone => Err(expired()),
    })
}

fn unidentified() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::NotIdentified,
        "identify first, with idme; numbers begin behind the welcome",
    )
}

fn foreign(message: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Forbidden, message)
}

/// The commands that a registration of interest stands for, and the users that
/// its tunnel's has to be.
fn interest(
    tunnel: &SessionId,
    add: Vec<Interest>,
    remove: Vec<Interest>,
    users: &mut Vec<UserId>,
) -> Result<Vec<ClientPacket>, ErrorBody> {
    let mut packets = Vec::with_capacity(add.len() + remove.len());
    let added = add.into_iter().map(|interest| (interest, true));
    let removed = remove.into_iter().map(|interest| (interest, false));
    for (interest, is_added) in added.chain(removed) {
        let Interest {
            path,
            subpaths,
            since,
            history,
        } = interest;
        match path {
            InterestPath::Channel(channel) if is_added => {
                packets.push(ClientPacket::JoinChannel(JoinChannel {
                    channel,
                    subpaths,
                    since,
                    history,
                    below: Vec::new(),
                }));
            }
            InterestPath::Channel(channel) => packets.push(ClientPacket::LeaveChannel(channel)),
            // A tunnel gets what is for itself and for its user in any case.
            InterestPath::Tunnel(other) if other == *tunnel => {}
            InterestPath::Tunnel(_) => return Err(foreign("this is the path of another tunnel")),
            InterestPath::User(user) => users.push(user),
        }
    }
    Ok(packets)
}
