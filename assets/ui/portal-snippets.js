// Code that verifies deliveries, in seven languages: each a whole receiver on port 3000 that
// answers 204 to what is signed with the secret, and 400 to everything else.

const raw = String.raw;

export const PLACEHOLDER = 'whsec_put-the-secret-here';

// `name`, what people call it, how its library is installed, and the code with a secret in it.
export const SNIPPETS = [
  {
    name: 'python',
    words: 'Python',
    install: 'pip install standardwebhooks flask',
    code: (secret) => raw`from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook("${secret}")


@app.post("/webhooks")
def receive():
    try:
        event = webhook.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        return "", 400
    print(request.headers["webhook-id"], event)
    return "", 204


app.run(port=3000)
`,
  },
  {
    name: 'node',
    words: 'Node, TypeScript',
    install: 'npm install standardwebhooks',
    code: (secret) => raw`import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook("${secret}");

createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  try {
    const event = webhook.verify(Buffer.concat(parts), request.headers as Record<string, string>);
    console.log(request.headers["webhook-id"], event);
    response.writeHead(204).end();
  } catch {
    response.writeHead(400).end();
  }
}).listen(3000);
`,
  },
  {
    name: 'go',
    words: 'Go',
    install: 'go get github.com/standard-webhooks/standard-webhooks/libraries/go',
    code: (secret) =>
      raw`package main

import (
    "io"
    "log"
    "net/http"

    standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
    webhook, err := standardwebhooks.NewWebhook("${secret}")
    if err != nil {
        log.Fatal(err)
    }
    http.HandleFunc("/webhooks", func(w http.ResponseWriter, r *http.Request) {
        body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
        if err != nil || webhook.Verify(body, r.Header) != nil {
            w.WriteHeader(http.StatusBadRequest)
            return
        }
        log.Println(r.Header.Get("webhook-id"), string(body))
        w.WriteHeader(http.StatusNoContent)
    })
    log.Fatal(http.ListenAndServe(":3000", nil))
}
`.replaceAll('    ', '\t'),
  },
  {
    name: 'ruby',
    words: 'Ruby',
    install: 'gem install standardwebhooks rack rackup webrick',
    code: (secret) => raw`# config.ru, started by: rackup --port 3000
require "standardwebhooks"

WEBHOOK = StandardWebhooks::Webhook.new("${secret}")
NAMES = ["webhook-id", "webhook-timestamp", "webhook-signature"]

run(lambda do |env|
  headers = NAMES.to_h { |name| [name, env["HTTP_" + name.upcase.tr("-", "_")]] }
  event = WEBHOOK.verify(env["rack.input"].read, headers)
  puts "#{headers["webhook-id"]} #{event}"
  [204, {}, []]
rescue StandardWebhooks::StandardWebhooksError, JSON::ParserError
  [400, {}, []]
end)
`,
  },
  {
    name: 'php',
    words: 'PHP',
    install: 'composer require standard-webhooks/standard-webhooks',
    code: (secret) => raw`<?php
// webhooks.php, tried by: php -S localhost:3000 webhooks.php
require __DIR__ . "/vendor/autoload.php";

$webhook = new \StandardWebhooks\Webhook("${secret}");
$headers = array_change_key_case(getallheaders());
try {
    $event = $webhook->verify(file_get_contents("php://input"), $headers);
} catch (\Exception $error) {
    http_response_code(400);
    exit;
}
error_log($headers["webhook-id"] . " " . json_encode($event));
http_response_code(204);
`,
  },
  {
    name: 'java',
    words: 'Java',
    install: 'implementation("com.standardwebhooks:standardwebhooks:1.1.0")',
    code: (secret) => raw`import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.WebhookVerificationException;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;

public class Receive {
    public static void main(String[] arguments) throws Exception {
        Webhook webhook = new Webhook("${secret}");
        HttpServer server = HttpServer.create(new InetSocketAddress(3000), 0);
        server.createContext("/webhooks", exchange -> {
            byte[] bytes = exchange.getRequestBody().readAllBytes();
            String body = new String(bytes, StandardCharsets.UTF_8);
            var sent = exchange.getRequestHeaders();
            HttpHeaders headers = HttpHeaders.of(sent, (name, value) -> true);
            int status = 204;
            try {
                webhook.verify(body, headers);
                System.out.println(headers.firstValue("webhook-id").get() + " " + body);
            } catch (WebhookVerificationException error) {
                status = 400;
            }
            exchange.sendResponseHeaders(status, -1);
            exchange.close();
        });
        server.start();
    }
}
`,
  },
  {
    name: 'rust',
    words: 'Rust',
    install: 'cargo add standardwebhooks axum tokio --features tokio/full',
    code: (
      secret,
    ) => raw`use axum::{Router, body::Bytes, http::{HeaderMap, StatusCode}, routing::post};
use standardwebhooks::Webhook;

async fn receive(headers: HeaderMap, body: Bytes) -> StatusCode {
    let webhook = Webhook::new("${secret}").expect("the secret is right");
    if webhook.verify(&body, &headers).is_err() {
        return StatusCode::BAD_REQUEST;
    }
    println!("{:?} {}", headers["webhook-id"], String::from_utf8_lossy(&body));
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() {
    let router = Router::new().route("/webhooks", post(receive));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await.unwrap();
    axum::serve(listener, router).await.unwrap();
}
`,
  },
];
