// A Socket.IO server with rooms, as short as its own documentation has it: `node socketio.js PORT`.
// "join" puts a client into a room and answers; "send" goes to everybody in the room, and is acknowledged.
const { Server } = require("socket.io");

const io = new Server(Number(process.argv[2]), { transports: ["websocket"], serveClient: false });
io.on("connection", (socket) => {
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer("ok");
  });
  socket.on("send", (room, data, answer) => {
    io.to(room).emit("message", data);
    answer("ok");
  });
});
