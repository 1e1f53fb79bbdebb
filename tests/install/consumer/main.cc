// A project of somebody else: asks the server named on its command line for a summary, and prints it or the error.
#include <iostream>

#include "client/summarizer_client.h"

int main(int, char** argv) {
  const trimtab::SummarizerClient client(argv[1], {.timeout = absl::Seconds(5)});
  trimtab::v1::SummarizeRequest request;
  request.set_article("Gale is a data logger for weather stations.");
  const auto summary = client.Summarize(request);
  std::cout << (summary.ok() ? summary->summary() : summary.status().ToString()) << "\n";
  return summary.ok() ? 0 : 1;
}
