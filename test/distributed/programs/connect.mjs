// Connects, and says how that went.
import { connect } from 'orthokit/distributed';

try {
  const group = await connect({ timeout: 5 });
  console.log(`rank ${group.rank} of ${group.size}`);
  await group.close();
} catch ({ code, message }) {
  console.log(`${code} ${message}`);
}
