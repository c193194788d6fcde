import { definePolicy } from 'rebound';

// Puts "super fantastic!" in front of the answer to a message that was accepted, and leaves every other response alone.
export default definePolicy((policy) => {
  policy.on('smtp_server_rewrite_response', (status, response, command) => {
    if (command === 'DATA' && status === 250) {
      return [250, `super fantastic!\n${response}`];
    }
    // Returning nothing leaves status and response as they are.
    return undefined;
  });
});
