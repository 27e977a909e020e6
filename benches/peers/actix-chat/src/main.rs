//! A chat like the examples of actix-web-actors: one actor per socket, and one
//! server actor that sends every message to all of them.

use std::collections::HashMap;

use actix::prelude::*;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_web_actors::ws;
use bytestring::ByteString;

#[derive(Message)]
#[rtype(result = "()")]
struct Say(ByteString);

#[derive(Message)]
#[rtype(result = "usize")]
struct Connect(Recipient<Say>);

#[derive(Message)]
#[rtype(result = "()")]
struct Disconnect(usize);

/// All connections.
#[derive(Default)]
struct ChatServer {
    sessions: HashMap<usize, Recipient<Say>>,
    next: usize,
}

impl Actor for ChatServer {
    type Context = Context<Self>;
}

impl Handler<Connect> for ChatServer {
    type Result = usize;

    fn handle(&mut self, Connect(recipient): Connect, _: &mut Self::Context) -> usize {
        self.next += 1;
        self.sessions.insert(self.next, recipient);
        self.next
    }
}

impl Handler<Disconnect> for ChatServer {
    type Result = ();

    fn handle(&mut self, Disconnect(id): Disconnect, _: &mut Self::Context) {
        self.sessions.remove(&id);
    }
}

impl Handler<Say> for ChatServer {
    type Result = ();

    fn handle(&mut self, Say(text): Say, _: &mut Self::Context) {
        for session in self.sessions.values() {
            session.do_send(Say(text.clone()));
        }
    }
}

/// One connection.
struct ChatSession {
    id: usize,
    server: Addr<ChatServer>,
}

impl Actor for ChatSession {
    type Context = ws::WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.server
            .send(Connect(ctx.address().recipient()))
            .into_actor(self)
            .then(|id, session, ctx| {
                match id {
                    Ok(id) => session.id = id,
                    Err(_) => ctx.stop(),
                }
                fut::ready(())
            })
            .wait(ctx);
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        self.server.do_send(Disconnect(self.id));
        Running::Stop
    }
}

impl Handler<Say> for ChatSession {
    type Result = ();

    fn handle(&mut self, Say(text): Say, ctx: &mut Self::Context) {
        ctx.text(text);
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for ChatSession {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, ctx: &mut Self::Context) {
        match message {
            Ok(ws::Message::Text(text)) => self.server.do_send(Say(text)),
            Ok(ws::Message::Ping(payload)) => ctx.pong(&payload),
            Ok(ws::Message::Close(reason)) => {
                ctx.close(reason);
                ctx.stop();
            }
            Ok(_) => {}
            Err(_) => ctx.stop(),
        }
    }
}

async fn chat(
    request: HttpRequest,
    stream: web::Payload,
    server: web::Data<Addr<ChatServer>>,
) -> Result<HttpResponse, actix_web::Error> {
    let server = server.get_ref().clone();
    ws::start(ChatSession { id: 0, server }, &request, stream)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let chats = web::Data::new(ChatServer::default().start());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(chats.clone())
            .route("/chat", web::get().to(chat))
    })
    .workers(1)
    .tcp_nodelay(true)
    .bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("listening actix-chat http://{address}");
    }
    server.run().await
}
