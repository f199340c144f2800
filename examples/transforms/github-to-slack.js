// What happens in a GitHub repository as a message of Slack (an incoming webhook).
// The handler is of the form that Hookdeck calls.

// Slack reads these three as markup.
const plain = (text) =>
  String(text ?? "").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const link = (url, text) => `<${url}|${plain(text)}>`;

const words = {
  issues: ({ action, issue }) =>
    `${action} issue ${link(issue.html_url, `#${issue.number} ${issue.title}`)}`,
  pull_request: ({ action, pull_request: pull }) =>
    `${pull.merged && action === "closed" ? "merged" : action} pull request ` +
    link(pull.html_url, `#${pull.number} ${pull.title}`),
  push: ({ commits, compare, ref }) =>
    `pushed ${link(compare, `${commits.length} commits`)} to ${plain(ref.split("/").pop())}`,
};

addHandler("transform", (request, context) => {
  const event = request.headers["x-github-event"];
  if (!(event in words)) {
    console.info(`nothing to say about ${event}`);
    return null; // Dropped: nothing is sent.
  }
  const { repository, sender } = request.body;
  const said = words[event](request.body);
  request.body = {
    text: `*${plain(sender.login)}* ${said} in ${link(repository.html_url, repository.full_name)}`,
  };
  if (context.env.SLACK_CHANNEL) {
    request.body.channel = context.env.SLACK_CHANNEL;
  }
  return request;
});
