// Holds a thread until the test lets it go.
#pragma once
#include <future>

class Gate {
 public:
  void wait() {  // on the thread that is held
    reached_.set_value();
    opened_.get_future().get();
  }
  void await_reached() { reached_.get_future().get(); }
  void open() { opened_.set_value(); }

 private:
  std::promise<void> reached_, opened_;
};
