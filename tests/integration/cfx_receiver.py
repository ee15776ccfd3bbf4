#!/usr/bin/python3
"""A factory's system: cfx_receiver.py HOST:PORT ADDRESS QUIET_S [reject|release|modify WORD]...

Takes what ADDRESS of a broker has until nothing has come for QUIET_S; with ADDRESS "-" it listens at
HOST:PORT itself, for ever. Prints a line a message: message-id, subject, application properties,
content type, body, between tabs. A message whose body holds WORD is settled as said and not printed;
release and modify once each, reject always."""
import json
import sys

from proton import Condition, Delivery
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Receiver(MessagingHandler):
    def __init__(self, at, address, quiet_s, refusals):
        super().__init__(prefetch=50, auto_accept=False)
        self.at, self.address, self.quiet_s = at, address, quiet_s
        self.refusals = [[how, word, 0] for how, word in zip(refusals[::2], refusals[1::2])]
        self.heard = False

    def on_start(self, event):
        if self.address == "-":
            event.container.listen(self.at)
            return
        self.connection = event.container.connect(self.at, reconnect=False)
        event.container.create_receiver(self.connection, self.address)
        event.container.schedule(self.quiet_s, self)

    def on_timer_task(self, event):
        if self.heard:
            self.heard = False
            event.container.schedule(self.quiet_s, self)
        else:
            self.connection.close()

    def on_message(self, event):
        m, d = event.message, event.delivery
        body = bytes(m.body).decode()
        self.heard = True
        for refusal in self.refusals:
            how, word, times = refusal
            if word in body and (how == "reject" or not times):
                refusal[2] += 1
                if how == "reject":
                    d.local.condition = Condition("amqp:precondition-failed", "no such recipe")
                d.update({"reject": Delivery.REJECTED, "release": Delivery.RELEASED,
                          "modify": Delivery.MODIFIED}[how])
                d.settle()
                return
        print(m.id, m.subject, json.dumps(m.properties), m.content_type, body, sep="\t", flush=True)
        self.accept(d)


Container(Receiver(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:])).run()
