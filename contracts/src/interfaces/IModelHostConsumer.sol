// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelId} from "../types/ModelId.sol";
import {Request} from "../types/Usage.sol";

/// @title A model host's door: takes paid requests and hands Infernet's answers to the usage meter.
/// @notice Paid work comes in two ways: `request` makes a subscription and puts its escrow away; a delegated subscription,
///         signed by the delegate signer, is created by the node that answers it, and its proof brings the requester's order.
/// @dev Node payments of Infernet itself are the host's affair (`setNodePayment`); requesters pay metered fees only.
interface IModelHostConsumer {
    /// @notice A request as its requester writes it.
    /// @param modelId model that has to answer
    /// @param payload OpenAI chat-completion body as JSON, or plain prompt text, UTF-8
    /// @param intervals answers wanted over time; 1 for a one-off request
    /// @param periodSec seconds between answers; 0 exactly when `intervals` is 1
    /// @param redundancy nodes that answer each interval
    /// @param lazy true when answers shall be stored in Infernet's Inbox
    /// @param timeoutSec how long the (last) answer may take before unused escrow can be taken back
    /// @param maxCost most base units that may be put in escrow
    struct RequestParams {
        ModelId modelId;
        bytes payload;
        uint32 intervals;
        uint32 periodSec;
        uint16 redundancy;
        bool lazy;
        uint32 timeoutSec;
        uint256 maxCost;
    }

    /// @notice What Infernet pays nodes per delivery, from a wallet of the host. All zero: nothing.
    struct NodePayment {
        address token;
        uint256 amount;
        address wallet;
        address verifier;
    }

    /// @notice Thrown when the caller is not the host.
    error NotHost(address caller);
    /// @notice Thrown when the caller did not make the request.
    error NotRequester(address caller);
    /// @notice Thrown when the request would cost more than allowed.
    error CostAboveLimit(uint256 cost, uint256 maxCost);
    /// @notice Thrown when period and intervals contradict each other.
    error ScheduleInvalid(uint256 intervals, uint256 periodSec);
    /// @notice Thrown when the subscription is not one of this contract's requests.
    error SubscriptionUnknown(uint32 subscriptionId);
    /// @notice Thrown when a request is cancelled while an answer to its current interval may be under way.
    error AnswerPending(uint32 subscriptionId, uint32 interval);

    /// @notice An answer was accepted; `answer` is UTF-8 text.
    event AnswerReceived(bytes32 indexed requestId, uint32 indexed interval, address indexed node, bytes answer);
    /// @notice An answer was refused and its node fined by the verifier; `reason` is the error that refused it.
    /// @dev `requestId` is that of the subscription, also when the answer was to an order, which has an id of its own.
    event AnswerRefused(bytes32 indexed requestId, uint32 indexed interval, address indexed node, bytes reason);
    /// @notice A request was cancelled by its requester.
    event RequestCancelled(bytes32 indexed requestId, uint32 indexed subscriptionId);
    /// @notice What Infernet pays nodes changed for requests to come.
    event NodePaymentSet(NodePayment payment);
    /// @notice Delegated subscriptions for this contract are now signed by `signer`.
    event DelegateSignerSet(address indexed signer);

    /// @notice The model host that deployed and runs this contract.
    function HOST() external view returns (address);
    /// @notice The usage meter that this contract reports to.
    function METER() external view returns (address);

    /// @notice What a request would put in escrow at most, in base units of the payment token.
    function quote(ModelId modelId, uint32 intervals, uint16 redundancy) external view returns (uint256);

    /// @notice Makes a request. The caller must have approved this contract for the quoted cost.
    function request(RequestParams calldata params) external returns (uint32 subscriptionId, bytes32 requestId);

    /// @notice Makes a request with an EIP-2612 permit instead of an approval.
    /// @dev A permit that somebody else used first is no fault when the allowance is there.
    function requestWithPermit(RequestParams calldata params, uint256 permitDeadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint32 subscriptionId, bytes32 requestId);

    /// @notice Stops a request and gives unused escrow back. Requester only, and only when no answer can be under way:
    ///         before the first interval, once the current one is answered, when a whole interval passed without any
    ///         answer, or after the deadline.
    function cancel(uint32 subscriptionId) external returns (uint256 refund);

    /// @notice Gives unused escrow back to the requester's balance after the deadline. Anyone may call.
    function reclaim(uint32 subscriptionId) external returns (uint256 refund);

    /// @notice Sets what Infernet pays nodes. Host only.
    function setNodePayment(NodePayment calldata payment) external;

    /// @notice Sets who signs delegated subscriptions for this contract. Host only.
    function setDelegateSigner(address signer) external;

    /// @notice The request behind a subscription and its payload.
    function requestOf(uint32 subscriptionId) external view returns (Request memory request_, bytes memory payload);
}
