// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IStakeVault} from "../../../src/interfaces/IStakeVault.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Request, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {ITokenHook, OddToken} from "../../mocks/OddToken.sol";
import {InvariantTest} from "../InvariantTest.sol";

/// @title One host, operator, delegator and requester, with odd tokens for payment and for stake. No claim fees.
/// @dev The host is its own consumer: Infernet has no part in what a token can do.
abstract contract OddTokenActions is InvariantTest, ITokenHook {
    uint256 internal constant PPM = 1e6;
    uint256 internal constant PRICE = 1_000_003;
    uint256 internal constant PAYER_FUNDS = 1e30;
    bytes4 private constant TRANSFER_FAILED = bytes4(keccak256("TransferFailed()"));
    bytes4 private constant TRANSFER_FROM_FAILED = bytes4(keccak256("TransferFromFailed()"));

    OddToken internal token;
    OddToken internal stakeToken;
    IModelRegistry internal models;
    IRewardDistributor internal distributor;
    IUsageMeter internal meter;
    IStakeVault internal vault;
    ModelId internal modelId;

    address internal host = actor("host");
    address internal operator = actor("operator");
    address internal delegator = actor("delegator");
    address internal requester = actor("requester");
    address internal payer = actor("payer");
    address[] internal parties = [host, operator, delegator, requester];

    uint256 internal clock = 1_700_000_000;
    Request[] internal open;
    uint32 private subscriptions;
    uint256 internal hostDue;
    uint256 internal tableDue;
    uint256 internal refundsDue;
    uint256 internal cameIn;
    bool private inside;

    modifier onTime() {
        vm.warp(clock);
        _;
    }

    function setUp() public virtual {
        vm.warp(clock);
        token = new OddToken();
        stakeToken = new OddToken();
        models = IModelRegistry(vm.deployCode("ModelRegistry.sol:ModelRegistry", ""));
        address owner = actor("owner");
        distributor = IRewardDistributor(
            vm.deployCode(
                "RewardDistributor.sol:RewardDistributor",
                abi.encode(owner, token, stakeToken, models, actor("treasury"))
            )
        );
        meter = IUsageMeter(distributor.METER());
        vault = IStakeVault(distributor.VAULT());
        vm.startPrank(owner);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 0, 0));
        distributor.setAttester(actor("attester"), true);
        vm.stopPrank();
        _register();
        _attest();
        token.mint(payer, PAYER_FUNDS);
        for (uint256 i; i < 2; ++i) {
            address who = i == 0 ? operator : delegator;
            stakeToken.mint(who, PAYER_FUNDS);
            vm.prank(who);
            stakeToken.approve(address(vault), type(uint256).max);
        }
        vm.prank(operator);
        vault.setSigma(400_000);
        addAction(this.requesterAsks.selector, 3);
        addAction(this.nodeDelivers.selector, 4);
        addAction(this.anyoneTakesEscrowBack.selector, 1);
        addAction(this.partyClaims.selector, 5);
        addAction(this.partyStakes.selector, 2);
        addAction(this.partyTakesStakeOut.selector, 2);
        addAction(this.partyWithdrawsStake.selector, 2);
        addAction(this.tokenChangesItsManners.selector, 2);
    }

    /// @dev What this kind of token does differently from now on.
    function tokenChangesItsManners(uint256 seed) external virtual;

    /// @dev What does not arrive in full is refused; a payer who adds what the token keeps is served.
    function requesterAsks(uint256 seed) external onTime {
        if (open.length == 8) return;
        uint256 held = token.balanceOf(payer);
        uint256 sent = rarely(seed, 2) ? PRICE : PRICE + PRICE / 50;
        _try(payer, address(token), abi.encodeCall(token.transfer, (address(distributor), sent)));
        uint256 moved = held - token.balanceOf(payer);
        cameIn += moved - moved * token.burntPpm() / PPM;
        _open();
    }

    /// @dev No token is moved by a delivery, so none can stop it.
    function nodeDelivers(uint256 seed) external onTime {
        if (open.length == 0) return;
        uint256 at = seed % open.length;
        Request memory request = open[at];
        if (clock > request.deadline) return;
        UsageReceipt memory receipt = UsageReceipt({
            requestId: keccak256(abi.encode(request)),
            modelId: modelId,
            requester: requester,
            node: host,
            interval: 1,
            inputHash: bytes32(seed),
            outputHash: bytes32(seed),
            promptTokens: uint32(mix(seed, 1) % 101),
            completionTokens: uint32(mix(seed, 2) % 101)
        });
        IUsageMeter.Delivery memory delivery =
            IUsageMeter.Delivery(host, 1, bytes32(seed), bytes32(seed), 1_000, 1_000);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(actorKey("signer"), meter.receiptDigest(receipt));
        bytes memory signature = abi.encodePacked(r, s, v);
        call(
            host, address(meter), abi.encodeCall(IUsageMeter.record, (request, delivery, receipt, signature)), ""
        );
        uint256 fee = 1_003 + receipt.promptTokens * uint256(4_000) + receipt.completionTokens * uint256(5_990);
        uint256 training = fee * 700_000 / PPM;
        hostDue += fee - training;
        tableDue += training;
        refundsDue += PRICE - fee;
        _forget(at);
    }

    function anyoneTakesEscrowBack(uint256 seed) external onTime {
        if (open.length == 0) return;
        uint256 at = seed % open.length;
        if (open[at].deadline >= clock) clock = uint256(open[at].deadline) + 1;
        vm.warp(clock);
        call(payer, address(meter), abi.encodeCall(IUsageMeter.close, (open[at])), "");
        refundsDue += PRICE;
        _forget(at);
    }

    /// @dev Paid when the token pays, otherwise refused as a whole, and still due.
    function partyClaims(uint256 whoSeed, uint256 seed) external onTime {
        address who = pick(parties, whoSeed);
        uint256 due = _claimable(who);
        bool reenters = address(token.hook()) != address(0);
        bool pays = !token.failing() && !token.blocked(who) && !token.blocked(address(distributor));
        vm.prank(rarely(seed, 2) ? who : payer);
        (bool ok, bytes memory answer) = address(distributor).call(_claimOf(who, address(0)));
        if (due == 0) {
            assertTrue(!ok && bytes4(answer) == IRewardDistributor.NothingToClaim.selector, "nothing to claim");
        } else if (pays) {
            assertTrue(ok, "paid");
            if (!reenters) assertEq(_claimable(who), 0, "all of it");
        } else {
            assertTrue(!ok && bytes4(answer) == TRANSFER_FAILED, "refused by the token");
            assertEq(_claimable(who), due, "and still due");
        }
    }

    function partyStakes(uint256 whoSeed, uint256 seed) external onTime {
        address who = whoSeed % 2 == 0 ? operator : delegator;
        uint256 amount = bound(mix(seed, 1), 100, 1e12);
        bool reenters = address(stakeToken.hook()) != address(0);
        bytes memory refusal;
        if (_stakeStuck(who)) {
            refusal = abi.encodeWithSelector(TRANSFER_FROM_FAILED);
        } else if (stakeToken.burntPpm() != 0) {
            uint256 arrives = amount - amount * stakeToken.burntPpm() / PPM;
            refusal = abi.encodeWithSelector(IStakeVault.TokenUnsupported.selector, amount, arrives);
        }
        bytes memory data = who == operator
            ? abi.encodeCall(IStakeVault.deposit, (amount))
            : abi.encodeCall(IStakeVault.delegate, (operator, amount));
        if (!reenters) {
            call(who, address(vault), data, refusal);
            return;
        }
        // What comes back in the middle of a deposit undoes it, or does nothing.
        _try(who, address(vault), data);
    }

    function partyTakesStakeOut(uint256 whoSeed, uint256 seed) external onTime {
        bool own = whoSeed % 2 == 0;
        uint256 held = own ? vault.stakeOf(operator).own : vault.delegationOf(delegator, operator);
        if (held == 0) return;
        uint256 amount = bound(mix(seed, 1), 1, held);
        bytes memory data = own
            ? abi.encodeCall(IStakeVault.requestWithdrawal, (amount))
            : abi.encodeCall(IStakeVault.undelegate, (operator, amount));
        call(own ? operator : delegator, address(vault), data, "");
    }

    function partyWithdrawsStake(uint256 whoSeed) external onTime {
        address who = whoSeed % 2 == 0 ? operator : delegator;
        IStakeVault.Withdrawal memory waiting = vault.withdrawalOf(who, operator);
        if (waiting.amount == 0) return;
        if (clock < waiting.availableAt) clock = waiting.availableAt;
        vm.warp(clock);
        bytes memory refusal = _stakeStuck(who) ? abi.encodeWithSelector(TRANSFER_FAILED) : bytes("");
        call(who, address(vault), abi.encodeCall(IStakeVault.withdraw, (operator, who)), refusal);
        if (refusal.length != 0) {
            assertEq(vault.withdrawalOf(who, operator).amount, waiting.amount, "and still waiting");
        }
    }

    /// @dev Called by the token in the middle of whatever moves it: everybody tries everything again.
    function onTokenMoved() external {
        if (inside) return;
        inside = true;
        for (uint256 i; i < parties.length; ++i) {
            _try(parties[i], address(distributor), _claimOf(parties[i], parties[i]));
        }
        _try(operator, address(vault), abi.encodeCall(IStakeVault.withdraw, (operator, operator)));
        _try(delegator, address(vault), abi.encodeCall(IStakeVault.withdraw, (operator, delegator)));
        _try(operator, address(vault), abi.encodeCall(IStakeVault.deposit, (7)));
        _try(delegator, address(vault), abi.encodeCall(IStakeVault.delegate, (operator, 7)));
        if (open.length < 8) _open();
        inside = false;
    }

    function _open() private {
        IUsageMeter.Opening memory o = IUsageMeter.Opening({
            modelId: modelId,
            requester: requester,
            subscriptionId: ++subscriptions,
            intervals: 1,
            redundancy: 1,
            deadline: uint40(clock + 1 days)
        });
        uint256 held = token.balanceOf(address(distributor));
        uint256 required = distributor.reserves() + PRICE;
        bytes memory refusal;
        if (held < required) {
            refusal = abi.encodeWithSelector(IRewardDistributor.EscrowNotFunded.selector, required, held);
        }
        bytes memory answer = call(host, address(meter), abi.encodeCall(IUsageMeter.open, (o)), refusal);
        if (refusal.length != 0) return;
        (, Request memory request) = abi.decode(answer, (bytes32, Request));
        open.push(request);
    }

    function _try(address who, address target, bytes memory data) private {
        vm.prank(who);
        (bool ok,) = target.call(data);
        ok;
    }

    function _forget(uint256 at) private {
        open[at] = open[open.length - 1];
        open.pop();
    }

    function _stakeStuck(address who) private view returns (bool) {
        return stakeToken.failing() || stakeToken.blocked(who) || stakeToken.blocked(address(vault));
    }

    function _claimable(address who) internal view returns (uint256) {
        if (who == host) return distributor.claimableHost(modelId);
        if (who == operator) return distributor.claimableOperator(operator);
        if (who == delegator) return distributor.claimableDelegator(delegator, operator);
        return distributor.balanceOf(requester);
    }

    function _claimOf(address who, address to) private view returns (bytes memory) {
        address[] memory list = new address[](1);
        list[0] = operator;
        if (who == host) {
            ModelId[] memory ids = new ModelId[](1);
            ids[0] = modelId;
            return abi.encodeCall(IRewardDistributor.claimHost, (ids, to));
        }
        if (who == operator) return abi.encodeCall(IRewardDistributor.claimOperator, (list, to));
        if (who == delegator) return abi.encodeCall(IRewardDistributor.claimDelegator, (delegator, list, to));
        return abi.encodeCall(IRewardDistributor.withdrawBalance, (requester, to));
    }

    function _register() private {
        address[] memory nodes = new address[](1);
        nodes[0] = host;
        vm.prank(host);
        modelId = models.register(
            IModelRegistry.Listing({
                artifactId: keccak256("model"),
                metadataHash: 0,
                metadataUri: "",
                containers: "flock-workflow",
                consumer: host,
                receiptSigner: actor("signer"),
                nodes: nodes,
                terms: Terms(1_003, 4_000 * 1e6, 5_990 * 1e6, 100, 100, 700_000, 0)
            })
        );
    }

    function _attest() private {
        IRewardDistributor.Contributor[] memory training = new IRewardDistributor.Contributor[](1);
        training[0] = IRewardDistributor.Contributor(operator, 7);
        IRewardDistributor.ContributorTable memory t = IRewardDistributor.ContributorTable(
            modelId, training, new IRewardDistributor.Contributor[](0), 1, uint40(clock + 1 days)
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(actorKey("attester"), distributor.tableDigest(t));
        distributor.setContributors(t, actor("attester"), abi.encodePacked(r, s, v));
    }
}
