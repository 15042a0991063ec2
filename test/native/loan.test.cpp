#include "core/loan.h"

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <thread>

using namespace orthokit;

namespace {

// The answer of an end that has begun on a thread of its own.
class End {
 public:
  explicit End(Loans& loans)
      : answer_(std::async(std::launch::async, [&] { return loans.settle(); })) {}
  bool waits() {
    return answer_.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout;
  }
  bool answer() { return answer_.get(); }

 private:
  std::future<bool> answer_;
};

}  // namespace

TEST_CASE("an end waits for all loans, and none begins after it") {
  Loans loans;
  auto owner = std::make_shared<int>(0);
  auto first = std::make_unique<Loan>(loans, owner), second = std::make_unique<Loan>(loans, owner);
  CHECK(owner.use_count() == 3);
  End end(loans);
  CHECK(end.waits());
  first.reset();
  CHECK(end.waits());
  // It may begin while others go on.
  auto third = std::make_unique<Loan>(loans, owner);
  second.reset();
  CHECK(end.waits());
  third.reset();
  CHECK(end.answer());
  CHECK(owner.use_count() == 1);
  try {
    const Loan late(loans, owner);
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kDisposed);
  }
}

TEST_CASE("nobody waits for a loan that was lost, and the memory stays") {
  Loans loans;
  Loan lost(loans, nullptr);
  {
    Loan other(loans, nullptr);
    lost.lose();
    lost.lose();
    End end(loans);
    CHECK(end.waits());
    loans.halt();
    CHECK_FALSE(end.answer());
  }
  CHECK_FALSE(loans.settle());
}
