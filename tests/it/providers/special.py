"""Cases of providers that sign in ways of their own: with certificates, in each item, by tokens.
make.py runs it."""

import base64
import datetime
import hashlib
import hmac
import json
import zlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

NOW = 1795219200
URL = "https://relay.example.com/in/abc"
SECRET = "a secret of theirs"
PLAIN = [["content-type", "text/plain; charset=UTF-8"]]
DAY = datetime.timedelta(days=1)
TODAY = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)


def new_key():
    return rsa.generate_private_key(65537, 2048)


def certificate(name, key, issuer=None, issuer_key=None, first=TODAY - DAY, last=TODAY + DAY,
                authority=False):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = issuer.subject if issuer else subject
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), 1, first, last)
    builder = builder.add_extension(x509.BasicConstraints(authority, None), True)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    return builder.add_extension(names, False).sign(issuer_key or key, hashes.SHA256())


def pem(*certificates):
    encoding = serialization.Encoding.PEM
    return "".join(one.public_bytes(encoding).decode() for one in certificates)


def sign(key, content, digest=hashes.SHA256()):
    return base64.b64encode(key.sign(content.encode(), padding.PKCS1v15(), digest)).decode()


def recorder(cases):
    """An `add` that keeps what is emitted later, and nothing else."""
    def add(provider, _signed, headers, secret, body, documents, **_more):
        case = dict(secret=secret, body=body, headers=headers, documents=documents)
        return lambda what, expected, **changed: cases.append(
            dict(case, what=what, expected=expected, **changed))
    return add


def add_all(add, cases):
    adyen(add)
    sns(add)
    paypal(add)
    tokens(add)
    graph(add)
    coinbase(add)
    ebay(cases)
    for provider in ["cloudevents", "docker-hub"]:
        cases.append(dict(
            provider=provider, origin="made from the documentation", what="nothing is signed",
            expected="verified", secret="", method="POST", url=URL, headers=[], body="{}",
            now=NOW))
    add("cloudevents-bearer", "authorization", [["authorization", f"Bearer {SECRET}"]],
        covers_body=False)


def adyen(add):
    key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"

    def item(signature=None, with_key=bytes.fromhex(key), **changed):
        values = dict({
            "pspReference": "7914073381342284", "originalReference": "",
            "merchantAccountCode": "TestMerchant", "merchantReference": "TestPayment-1407325143704",
            "amount": {"value": 1130, "currency": "EUR"}, "eventCode": "AUTHORISATION",
            "success": "true"}, **changed)
        signed = [values["pspReference"], values["originalReference"],
                  values["merchantAccountCode"], values["merchantReference"],
                  str(values["amount"]["value"]), values["amount"]["currency"],
                  values["eventCode"], values["success"]]
        made = hmac.new(with_key, ":".join(signed).encode(), "sha256").digest()
        values["additionalData"] = {"hmacSignature": signature or base64.b64encode(made).decode()}
        return {"NotificationRequestItem": values}

    def body(*items):
        return json.dumps({"live": "false", "notificationItems": list(items)})

    published = item("coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=")
    add("adyen", None, [], secret=key, other="00" * 32, covers_body=False, body=body(published),
        origin="docs.adyen.com, Verify HMAC signatures, and test suites of Adyen's libraries")
    emit = add("adyen", None, [], secret=key, other="00" * 32, covers_body=False,
               body=body(item(), item(merchantReference="a:b")))
    forged = item()
    forged["NotificationRequestItem"]["amount"]["value"] = 1
    emit("a forged item behind one that is signed", "mismatch", body=body(item(), forged))
    emit("a forged item before one that is signed", "mismatch", body=body(forged, item()))
    bare = item()
    del bare["NotificationRequestItem"]["additionalData"]
    emit("an item behind it without a signature", "missing", body=body(item(), bare))
    emit("something else behind it", "missing", body=body(item(), 7))
    emit("no item", "missing", body=body())
    emit("no items", "missing", body="{}")
    emit("no JSON", "missing", body="live=false")
    emit("the key taken as text", "mismatch", body=body(item(with_key=key.encode())))
    emit("a part of one field in the next", "malformed", body=body(
        item(merchantReference="x:1"), item(merchantReference="x", amount={
            "value": "1:1130", "currency": "EUR"})))
    emit("a field twice", "malformed",
         body=body(item()).replace('"success"', '"success": "false", "success"'))
    emit("another list behind it", "malformed",
         body=body(item())[:-1] + ', "notificationItems": []}')
    emit("more than are looked at", "malformed", body=body(*[item()] * 101))


SNS_FIELDS = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn",
              "Type"]


def sns(add):
    topic = "arn:aws:sns:eu-west-1:123456789012:MyTopic"
    url = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
    key, authority_key = new_key(), new_key()
    authority = certificate("Server CA", authority_key, authority=True)

    def leaf(name="sns.amazonaws.com", **more):
        return pem(certificate(name, key, authority, authority_key, **more))

    def body(version="2", digest=None, signing_key=key, **fields):
        message = dict({
            "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": topic, "Subject": "My first \"message\"", "Message": "Zoë\nand a line",
            "Timestamp": "2026-11-21T00:00:00.000Z", "SigningCertURL": url}, **fields)
        signed = [name for name in SNS_FIELDS if message.get(name) is not None]
        if message["Type"] == "Notification":
            signed = [name for name in signed if name not in ("SubscribeURL", "Token")]
        content = "".join(f"{name}\n{message[name]}\n" for name in signed)
        digest = digest or (hashes.SHA1() if version == "1" else hashes.SHA256())
        message["SignatureVersion"] = version
        message["Signature"] = sign(signing_key, content, digest)
        return message

    documents = [[url, leaf()]]
    more = dict(secret=topic, other=topic + "2", covers_body=False, stale=True,
                later="key-unusable", documents=documents)
    for version in ["1", "2"]:
        text = json.dumps(body(version))
        emit = add("aws-sns", None, PLAIN, body=text, **more)
        emit("the message changed", "mismatch", body=text.replace("line", "lime"))
        emit("the id changed", "mismatch", body=text.replace("22b8", "22b9"))
    emit("without its signature", "missing", body=json.dumps(dict(body(), Signature="")))
    emit("without a subject", "verified", body=json.dumps(body(Subject=None)))
    emit("its subject taken away", "mismatch", body=json.dumps(dict(body(), Subject=None)))
    emit("a subject twice", "malformed", body=json.dumps(body())[:-1] + ', "Subject": "x"}')
    confirmation = body(Type="SubscriptionConfirmation", Token="t", Subject=None,
                        SubscribeURL="https://sns.eu-west-1.amazonaws.com/?Action=Confirm")
    emit("a confirmation", "verified", body=json.dumps(confirmation))
    emit("a confirmation with another URL", "mismatch",
         body=json.dumps(dict(confirmation, SubscribeURL="https://evil.example/")))
    emit("a confirmation to somewhere else", "verified", body=json.dumps(
        dict(body(Type="SubscriptionConfirmation", Token="t", Subject=None,
                  SubscribeURL="https://evil.example/"))))
    emit("a notification passed off as a confirmation", "mismatch", body=json.dumps(
        dict(body(Token="t", SubscribeURL="https://evil.example/"),
             Type="SubscriptionConfirmation")))
    emit("of another topic, in the body too", "mismatch",
         body=json.dumps(body(TopicArn=topic + "2")))
    emit("a third version", "malformed", body=json.dumps(dict(body(), SignatureVersion="3")))
    emit("the digest of the other version", "mismatch",
         body=json.dumps(body("1", hashes.SHA256())))
    emit("another type", "malformed", body=json.dumps(body(Type="Other")))
    emit("signed by another key", "mismatch", body=json.dumps(body(signing_key=new_key())))
    emit("before its certificate is fetched", "key-wanted", documents=[])
    for what, place in [
        ("another host", "https://evil.example/a.pem"),
        ("a host that looks like it", "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem"),
        ("a bucket", "https://sns.s3.eu-west-1.amazonaws.com/a.pem"),
        ("no TLS", url.replace("https", "http")),
        ("another file", "https://sns.eu-west-1.amazonaws.com/?Action=GetTopic"),
        ("an end of a query", "https://sns.eu-west-1.amazonaws.com/?Action=a.pem"),
        ("no URL", "a.pem"),
    ]:
        emit(f"its certificate at {what}", "key-url", documents=[[place, leaf()]],
             body=json.dumps(body(SigningCertURL=place)))
    for what, document in [
        ("for another name", leaf("sqs.amazonaws.com")),
        ("for another region", leaf("sns.eu-west-2.amazonaws.com")),
        ("that has ended", leaf(first=TODAY - 9 * DAY, last=TODAY - DAY)),
        ("that begins tomorrow", leaf(first=TODAY + DAY, last=TODAY + 9 * DAY)),
        ("that is none", "<Error/>"),
        ("that is empty", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
        ("among too many", leaf() * 9),
    ]:
        emit(f"a certificate {what}", "key-unusable", documents=[[url, document]])
    emit("a certificate for its region", "verified",
         documents=[[url, leaf("sns-signing.eu-west-1.amazonaws.com")]])


def paypal(add):
    url = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"
    name, webhook = "messageverificationcerts.paypal.com", "9XL90610J3647323C"
    key, middle_key, root_key = new_key(), new_key(), new_key()
    root = certificate("Root", root_key, authority=True)
    middle = certificate("Middle", middle_key, root, root_key, authority=True)

    def chain(subject=name, **more):
        return pem(certificate(subject, key, middle, middle_key, **more), middle)

    text = json.dumps({"id": "WH-1", "resource_type": "sale",
                       "event_type": "PAYMENT.SALE.COMPLETED", "text": "Zoë"})

    def headers(body=text, place=url, algorithm="SHA256withRSA", time="2026-11-21T00:00:00Z"):
        content = f"id-1|{time}|{webhook}|{zlib.crc32(body.encode())}"
        return [["PAYPAL-TRANSMISSION-ID", "id-1"], ["PAYPAL-TRANSMISSION-TIME", time],
                ["PAYPAL-TRANSMISSION-SIG", sign(key, content)], ["PAYPAL-CERT-URL", place],
                ["PAYPAL-AUTH-ALGO", algorithm]]

    documents = [[url, chain()]]
    emit = add("paypal", "paypal-transmission-sig", headers(), secret=webhook, body=text,
               other="0" * 17, stale=True, documents=documents, roots=[pem(root)])
    emit("before its certificate is fetched", "key-wanted", documents=[])
    emit("with roots of the web alone", "key-unusable", roots=None)
    emit("another algorithm", "malformed", headers=headers(algorithm="SHA1withRSA"))
    for place in ["https://evil.example/c", "http://api.paypal.com/c",
                  "https://api.paypal.com.evil.example/c", "https://www.paypal.com/c"]:
        emit(f"its certificate at {place}", "key-url", headers=headers(place=place),
             documents=[[place, chain()]])
    for what, document in [
        ("without what signed it", pem(certificate(name, key, middle, middle_key))),
        ("that signed itself", pem(certificate(name, key))),
        ("for another name", chain("www.paypal.com")),
        ("that has ended", chain(first=TODAY - 9 * DAY, last=TODAY - DAY)),
        ("of an authority that is none",
         pem(certificate(name, key, certificate("Middle", middle_key, root, root_key), middle_key),
             certificate("Middle", middle_key, root, root_key))),
    ]:
        emit(f"a certificate {what}", "key-unusable", documents=[[url, document]])


def encoded(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def token(claims, secret=SECRET, head=None, signature=None):
    head = {"typ": "JWT", "alg": "HS256"} if head is None else head
    signed = encoded(head) + "." + encoded(claims)
    made = hmac.new(secret.encode(), signed.encode(), "sha256").digest()
    return signed + "." + (encoded(made) if signature is None else signature)


def tokens(add):
    def qsh(method="POST", path="/in/abc", query="a=1%2C2,3&b=%C3%AB%20x"):
        return hashlib.sha256(f"{method}&{path}&{query}".encode()).hexdigest()

    def jwt(made=None, **changed):
        claims = {"iss": "key", "iat": NOW - 9, "exp": NOW + 171, "qsh": qsh()}
        claims.update(changed)
        claims = {name: value for name, value in claims.items() if value is not None}
        return [["authorization", "JWT " + token(claims, **(made or {}))]]

    url = URL + "?b=%C3%AB+x&a=3&a=1%2C2&jwt=1"
    emit = add("atlassian-connect", "authorization", jwt(), url=url, stale=True,
               covers_body=False)
    emit("its path from where the app is", "verified", headers=jwt(qsh=qsh(path="/abc")))
    emit("another path", "mismatch", headers=jwt(qsh=qsh(path="/in")))
    emit("another method", "mismatch", method="PUT")
    emit("another query", "mismatch", url=url.replace("a=3", "a=4"))
    emit("that ended a minute ago", "verified", headers=jwt(exp=NOW - 60))
    emit("that ended before", "stale", headers=jwt(exp=NOW - 61))
    emit("that begins later", "early", headers=jwt(iat=NOW + 61))
    emit("without an end", "missing", headers=jwt(exp=None))
    emit("without a qsh", "missing", headers=jwt(qsh=None))
    for head in [{"alg": "none"}, {"alg": "RS256"}, {"alg": "hs256"}, {}, {"alg": None},
                 {"alg": "HS256", "crit": ["b64"], "b64": False}]:
        emit(f"the head {head}", "malformed", headers=jwt(dict(head=head)))
    emit("no signature", "mismatch", headers=jwt(dict(signature="")))
    emit("two ends", "malformed", headers=[["authorization", "JWT " + token(
        f'{{"exp": 1, "exp": {NOW + 9}, "qsh": "{qsh()}"}}'.encode())]])
    emit("no token", "malformed", headers=[["authorization", "JWT a.b"]])
    emit("another kind", "malformed", headers=[["authorization", "Bearer " + token({})]])

    def monday(**changed):
        claims = dict({"accountId": 1, "aud": URL, "iat": NOW - 9, "exp": NOW + 291}, **changed)
        return [["authorization", token(claims)]]

    emit = add("monday", "authorization", monday(), stale=True, covers_body=False)
    emit("with a query", "verified", url=URL + "?a=1")
    emit("for another URL", "mismatch", headers=monday(aud="https://evil.example/"))


def graph(add):
    def body(*states):
        items = [{"subscriptionId": "1", "clientState": state, "changeType": "created"}
                 for state in states]
        return json.dumps({"value": items})

    emit = add("microsoft-graph", None, [], body=body(SECRET, SECRET), covers_body=False)
    emit("a forged item behind it", "mismatch", body=body(SECRET, "x"))
    emit("an item behind it without one", "missing", body=body(SECRET, None))
    emit("no item", "missing", body=body())
    emit("something else behind it", "missing",
         body=body(SECRET).replace("}]", "}, 7]"))
    emit("two of them", "malformed",
         body=body(SECRET).replace('"clientState"', '"clientState": "x", "clientState"'))
    emit("another list behind it", "malformed", body=body(SECRET)[:-1] + ', "value": []}')


def coinbase(add):
    text = json.dumps({"eventType": "payments.transfers.completed"})
    names, values = "content-type x-event-id", "application/json.e-1"

    def headers(listed=names, shown=values):
        content = f"{NOW}.{listed}.{shown}.{text}"
        made = hmac.new(SECRET.encode(), content.encode(), "sha256").hexdigest()
        return [["x-hook0-signature", f"t={NOW},v0={'0' * 64},h={listed},v1={made}"],
                ["Content-Type", "application/json"], ["X-Event-Id", "e-1"]]

    emit = add("coinbase-cdp-v1", "x-hook0-signature", headers(), body=text, stale=True)
    emit("another id", "mismatch", headers=headers()[:2] + [["x-event-id", "e-2"]])
    emit("two ids", "malformed", headers=headers() + [["x-event-id", "e-2"]])
    emit("no id", "missing", headers=headers()[:2])
    emit("a name taken away", "mismatch", headers=[
        [name, value.replace(" x-event-id", "")] for name, value in headers()])
    emit("two lists", "malformed", headers=[
        [name, value.replace("h=", "h=x-event-id,h=")] for name, value in headers()])
    emit("more names than are read", "malformed", headers=headers("a " * 100 + "a", "b"))


def ebay(cases):
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    place = "https://api.ebay.com/commerce/notification/v1/public_key/"
    name = "9936261a-7d7b-4621-a0f1-96b0b6a5a3a0"
    text = json.dumps({"metadata": {"topic": "MARKETPLACE_ACCOUNT_DELETION"},
                       "notification": {"notificationId": "n-1", "text": "Zoë"}})

    def document(made=key, digest="SHA1", algorithm="ECDSA", lines=False):
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        written = made.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
        written = written if lines else written.replace("\n", "")
        return json.dumps({"key": written, "algorithm": algorithm, "digest": digest})

    def header(kid=name, digest=hashes.SHA1(), body=text, more=""):
        made = base64.b64encode(key.sign(body.encode(), ec.ECDSA(digest))).decode()
        whole = json.dumps({"alg": "ecdsa", "kid": kid, "signature": made, "digest": "SHA1"})
        return [["X-EBAY-SIGNATURE", base64.b64encode((more + whole).encode()).decode()]]

    def emit(what, expected, **changed):
        cases.append(dict(dict(
            provider="ebay", origin="made from the documentation", what=what, expected=expected,
            secret="", method="POST", url=URL, headers=header(), body=text, now=NOW,
            documents=[[place + name, document()]]), **changed))

    emit("as it is sent", "verified")
    emit("the key in lines", "verified", documents=[[place + name, document(lines=True)]])
    emit("a key of SHA-256", "verified", headers=header(digest=hashes.SHA256()),
         documents=[[place + name, document(digest="SHA256")]])
    emit("in twenty years, as nothing is said of the time", "verified",
         now=NOW + 20 * 365 * 86_400)
    emit("the body changed", "mismatch", body=text.replace("n-1", "n-2"))
    emit("another key", "mismatch", documents=[[place + name, document(other)]])
    emit("another digest than the key's", "mismatch", headers=header(digest=hashes.SHA256()))
    emit("without its signature", "missing", headers=[])
    emit("two of them", "malformed", headers=header() + header())
    emit("before its key is fetched", "key-wanted", documents=[])
    emit("a key of another name", "key-wanted", headers=header(kid="other"))
    for kid in ["", "../../../x", "a?b", "a/b", "a" * 65]:
        emit(f"a key named {kid[:9]}", "malformed", headers=header(kid=kid))
    emit("two names", "malformed",
         headers=[["x-ebay-signature", base64.b64encode(b'{"kid":"a","kid":"b"}').decode()]])
    emit("no JSON", "malformed", headers=header(more="x"))
    emit("no base64", "malformed", headers=[["x-ebay-signature", "{}"]])
    for what, answer in [
        ("of another algorithm", document(algorithm="RSA")),
        ("of another digest", document(digest="MD5")),
        ("that is none", '{"errors": []}'),
        ("of another curve", document(ec.generate_private_key(ec.SECP384R1()))),
    ]:
        emit(f"a key {what}", "key-unusable", documents=[[place + name, answer]])
